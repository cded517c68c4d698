#!lua flags=allow-oom
-- uses: common buckets
-- Drop some bucket shards of a partition that expired, from the last one downwards.
-- Arguments: fingerprint, partition, number of shards. Answer: shards left.
local fingerprint, number, count = take(), take_number(), take_number()
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
local value = call('HGET', base .. K.EXPIRING, number)
if not value then
    return {'ok', 0}
end
local first, shards, buckets = string.match(value, '(%d+) (%d+) (%d+)')
shards = tonumber(shards)
local p = partition_object(number, tonumber(first), shards, tonumber(buckets))
local left = math.max(0, shards - count)
for shard = left, shards - 1 do
    local key = p.prefix .. shard
    local flat, doomed = call('HGETALL', key), {key}
    for i = 1, #flat, 2 do
        if flat[i + 1] == '' then
            -- The shard tells the upper bits of its buckets: it is what they are modulo a multiple.
            doomed[#doomed + 1] = long_key(p, handle_at(flat[i], 0), shard % FIRST_SHARDS)
        end
    end
    for i = 1, #doomed, 1000 do
        call('UNLINK', unpack(doomed, i, math.min(i + 999, #doomed)))
    end
end
if left > 0 then
    call('HSET', base .. K.EXPIRING, number, string.format('%d %d %d', p.first, left, p.buckets))
else
    call('HDEL', base .. K.EXPIRING, number)
    call('HINCRBY', base .. K.META, 'expired_partitions', 1)
end
return {'ok', left}
