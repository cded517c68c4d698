#!lua
-- Store a job; the oldest beyond `kept` go. Arguments: id, payload, kept.
local jobs, order = KEYS[1] .. K.JOBS, KEYS[1] .. K.JOB_ORDER
if redis.call('HEXISTS', jobs, ARGV[1]) == 0 then
    redis.call('ZADD', order, redis.call('HINCRBY', KEYS[1] .. K.META, 'jobs', 1), ARGV[1])
end
redis.call('HSET', jobs, ARGV[1], ARGV[2])
for _, id in ipairs(redis.call('ZRANGE', order, 0, -1 - tonumber(ARGV[3]))) do
    redis.call('HDEL', jobs, id)
    redis.call('ZREM', order, id)
end
return 1
