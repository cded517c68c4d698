#!lua
-- Take a lease, or renew one's own. Arguments: name, holder, milliseconds.
local key = KEYS[1] .. K.LEASE .. ARGV[1]
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[2] then
    return 0
end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
return 1
