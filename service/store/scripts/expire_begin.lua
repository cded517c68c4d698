#!lua flags=allow-oom
-- uses: common buckets
-- Take the partitions that end at or before a handle out of the index, in one step: from then on no
-- probe meets their articles, and what is left of them goes piece by piece.
-- Arguments: fingerprint, handle, number that a partition begun now would have.
-- Answer: the highest handle that is expiring, 0 when nothing is.
local fingerprint, edge, current_number = take(), take_number(), take_number()
local meta = call('HMGET', base .. K.META, 'fingerprint', 'handle', 'floor')
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
local last, floor_before = tonumber(meta[2]) or 0, tonumber(meta[3]) or 0
if call('EXISTS', base .. K.EXPIRING) == 1 then
    return {'ok', floor_before}
end
if edge <= floor_before or edge > last then
    return {'ok', 0}
end
local partitions, gone = read_partitions(), {}
for i, p in ipairs(partitions) do
    if p.first <= edge then
        local following = partitions[i + 1]
        -- One that may still get articles stays: a new one must never have the number of one whose
        -- buckets are being dropped.
        if following and following.first <= edge + 1 or
           not following and edge == last and p.number < current_number then
            gone[#gone + 1] = p
        else
            return {'ok', 0}
        end
    end
end
local expiring = base .. K.EXPIRING
call('HSET', base .. K.META, 'floor', edge)
call('HSET', expiring, 'next', floor_before + 1)
for _, p in ipairs(gone) do
    call('HDEL', base .. K.PARTITIONS, p.number)
    call('HSET', expiring, p.number, string.format('%d %d %d', p.first, p.shards, p.buckets))
end
return {'ok', edge}
