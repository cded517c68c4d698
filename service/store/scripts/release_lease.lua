#!lua flags=allow-oom
-- Give a lease back, if it is still one's own. Arguments: name, holder.
local key = KEYS[1] .. K.LEASE .. ARGV[1]
if redis.call('GET', key) == ARGV[2] then
    return redis.call('DEL', key)
end
return 0
