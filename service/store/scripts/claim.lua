#!lua
-- Claim an empty collection, or tell who has it: {layout, fingerprint, engine}. `born` tells it from
-- one that had the same name before the server was emptied.
local meta = KEYS[1] .. K.META
if redis.call('EXISTS', meta) == 0 then
    redis.call('HSET', meta, 'layout', ARGV[1], 'fingerprint', ARGV[2], 'engine', ARGV[3])
end
redis.call('HSETNX', meta, 'born', ARGV[4])
return redis.call('HMGET', meta, 'layout', 'fingerprint', 'engine')
