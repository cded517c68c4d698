#!lua flags=allow-oom
-- uses: common
-- Take the partitions that end at or before a handle out of the index, in one step: from then on
-- no probe takes their articles for candidates, and what is left of them goes piece by piece.
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
local partitions, gone = {}, {}
local raw = call('HGETALL', base .. K.PARTITIONS)
for i = 1, #raw, 2 do
    partitions[#partitions + 1] = {number = tonumber(raw[i]), first = tonumber(raw[i + 1])}
end
table.sort(partitions, function(a, b) return a.first < b.first end)
for i, p in ipairs(partitions) do
    if p.first <= edge then
        local following = partitions[i + 1]
        -- One that may still get articles stays.
        if following and following.first <= edge + 1 then
            gone[#gone + 1] = p.number
        elseif not following and edge == last and p.number < current_number then
            gone[#gone + 1] = p.number
            call('HDEL', base .. K.META, 'partition')
        else
            return {'ok', 0}
        end
    end
end
call('HSET', base .. K.META, 'floor', edge)
call('HSET', base .. K.EXPIRING, 'next', floor_before + 1, 'shard', 0, 'partitions', #gone)
for _, number in ipairs(gone) do
    call('HDEL', base .. K.PARTITIONS, number)
end
return {'ok', edge}
