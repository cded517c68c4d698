#!lua
-- Keep the plan of a reclustering for so many seconds. Arguments: job, seconds, then field, value…
local key = KEYS[1] .. K.PLAN .. ARGV[1]
redis.call('DEL', key)
redis.call('HSET', key, unpack(ARGV, 3))
redis.call('EXPIRE', key, ARGV[2])
return 1
