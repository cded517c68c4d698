#!lua flags=no-writes
-- uses: common buckets
-- What is stored under an article id, and which articles are in the same buckets. Whoever asks adds up what they
-- share: the server does one thing at a time, and adding up takes longer than reading.
-- Arguments: fingerprint, shard and digest of the article id, buckets (6 bytes each), weights (a
-- byte each), least over-full count, over-full share, newest entries of a heavy bucket.
-- Answer: {'ok', horizon, epoch, constraint epoch, mark of the records, handle or 0, header,
-- assignment, then per weight: weight, handles (4 bytes each, one for every bucket that it is in)}.
local fingerprint, id_shard, digest = take(), take(), take()
local buckets, weights = take(), take()
local least, share, newest = take_number(), take_number(), take_number()

local meta = call('HMGET', base .. K.META, 'fingerprint', 'handle', 'epoch', 'indexed',
                  'constraint_epoch', 'born', 'rewritten', 'switch')
switch_state = meta[8]
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
local answer = {'ok', tonumber(meta[2]) or 0, tonumber(meta[3]) or 0, tonumber(meta[5]) or 0,
                (meta[6] or '') .. '.' .. (meta[7] or ''), 0, '', ''}
local existing = call('HGET', base .. K.ARTICLE_IDS .. id_shard, digest)
if existing then
    existing = tonumber(existing)
    answer[6] = existing
    answer[7] = call('GETRANGE', base .. K.DOCUMENT .. existing, 0, 29)
    answer[8] = call('HGET', assignment_place(existing)) or ''
    local pending = answer[8] ~= '' and unsettled({(parse_assignment(answer[8]))})
    if pending then
        return pending
    end
end

local partitions = read_partitions()
local overfull = overfull_limit(tonumber(meta[4]) or 0, least, share)
local lists = {} -- weight -> values of buckets
local unpack_bucket, field_of = struct.unpack, sub
local list, weight
for k = 0, #buckets / 6 - 1 do
    local at = 6 * k + 1
    local field, rest, head = field_of(buckets, at, at + 3), unpack_bucket('<I4I2', buckets, at)
    if byte(weights, k + 1) ~= weight then
        weight = byte(weights, k + 1)
        list = lists[weight] or {}
        lists[weight] = list
    end
    -- Newest partition first: a heavy bucket counts its newest entries only, and of another one
    -- more than it may have says that it is over-full.
    local before, left = #list, weight > 1 and newest or overfull + 1
    for i = #partitions, 1, -1 do
        local p = partitions[i]
        local value = call('HGET', shard_key(p, rest, head), field)
        if value then
            if value == '' then
                value = call('GETRANGE', long_key(p, rest, head), -4 * left, -1)
            elseif #value > 4 * left then
                value = sub(value, -4 * left)
            end
            list[#list + 1] = value
            left = left - #value / 4
            if left <= 0 then
                break
            end
        end
    end
    if weight == 1 and left <= 0 then
        for i = #list, before + 1, -1 do
            list[i] = nil
        end
    end
end
for weight, list in pairs(lists) do
    answer[#answer + 1] = weight
    answer[#answer + 1] = table.concat(list)
end
return answer
