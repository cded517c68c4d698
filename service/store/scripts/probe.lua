#!lua flags=no-writes
-- uses: common buckets
-- What is stored under an article id, and the articles that share most buckets with it.
-- Arguments: fingerprint, shard and digest of the article id, buckets (6 bytes each), weights (a
-- byte each), limit, least over-full count, over-full share, newest entries of a heavy bucket.
-- Answer: {horizon, epoch, constraint epoch, handle or 0, header, assignment, then per candidate handle, shared
-- weight, assignment, record}.
local fingerprint, id_shard, digest = take(), take(), take()
local buckets, weights, limit = take(), take(), take_number()
local least, share, newest = take_number(), take_number(), take_number()

local meta = call('HMGET', base .. K.META, 'fingerprint', 'handle', 'epoch', 'indexed',
                  'constraint_epoch')
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
local answer = {'ok', tonumber(meta[2]) or 0, tonumber(meta[3]) or 0, tonumber(meta[5]) or 0, 0,
                '', ''}
local existing = call('HGET', base .. K.ARTICLE_IDS .. id_shard, digest)
if existing then
    existing = tonumber(existing)
    answer[5] = existing
    answer[6] = call('GETRANGE', base .. K.DOCUMENT .. existing, 0, 29)
    answer[7] = call('HGET', assignment_place(existing)) or ''
end

local partitions = read_partitions()
local overfull = overfull_limit(tonumber(meta[4]) or 0, least, share)
local shared = {} -- handle -> summed weight
local found = {}
for k = 0, #buckets / 6 - 1 do
    local field, rest, head = bucket_at(buckets, k)
    local weight = byte(weights, k + 1)
    local count, hits = 0, 0
    for i = 1, #partitions do
        local p = partitions[i]
        local value = call('HGET', shard_key(p, rest, head), field)
        if value then
            hits = hits + 1
            found[hits] = value
            found[-hits] = i
            count = count + bucket_count(p, value, rest, head)
        end
    end
    if hits > 0 and (weight > 1 or count <= overfull) then
        -- Newest partition first: a heavy bucket counts its newest entries only.
        local left = weight > 1 and newest or count
        for hit = hits, 1, -1 do
            local value = found[hit]
            if value == '' and left > 0 then
                value = call('GETRANGE', long_key(partitions[found[-hit]], rest, head), -4 * left, -1)
            end
            local first = math.max(0, #value - 4 * left)
            for offset = first, #value - 4, 4 do
                local a, b, c, d = byte(value, offset + 1, offset + 4)
                local handle = a + b * 256 + c * 65536 + d * 16777216
                shared[handle] = (shared[handle] or 0) + weight
            end
            left = left - (#value - first) / 4
            if left <= 0 then
                break
            end
        end
    end
end

-- Highest shared weight first, then the newest. Only the weight that straddles the limit is sorted
-- in vain, and no comparison is made in Lua.
local by_weight, heaviest = {}, 0
for handle, weight in pairs(shared) do
    local list = by_weight[weight]
    if list then
        list[#list + 1] = handle
    else
        by_weight[weight] = {handle}
        if weight > heaviest then
            heaviest = weight
        end
    end
end
local handles, taken_weights = {}, {}
for weight = heaviest, 1, -1 do
    local list = by_weight[weight]
    if list then
        table.sort(list)
        for i = #list, 1, -1 do
            if #handles == limit then
                break
            end
            handles[#handles + 1] = list[i]
            taken_weights[#handles] = weight
        end
    end
    if #handles == limit then
        break
    end
end
local n = #answer
for first = 1, #handles, 1000 do
    local last = math.min(first + 999, #handles)
    local record_keys = {}
    for i = first, last do
        record_keys[i - first + 1] = base .. K.RECORD .. handles[i]
    end
    local records = call('MGET', unpack(record_keys))
    for i = first, last do
        local assignment = call('HGET', assignment_place(handles[i]))
        local record = records[i - first + 1]
        if assignment and record then
            answer[n + 1] = handles[i]
            answer[n + 2] = taken_weights[i]
            answer[n + 3] = assignment
            answer[n + 4] = record
            n = n + 4
        end
    end
end
return answer
