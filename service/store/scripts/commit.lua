#!lua
-- uses: common buckets changes constraints decided
-- Write one decided article whole, or nothing. Every check comes before the first write, and the
-- flags line makes a full server refuse the script before it begins: so it never stops half-way.
local fingerprint, horizon, now = take(), take_number(), take()
local partition_number = take_number()
local id_shard, digest = take(), take()
local header, document, record = take(), take(), take()
local cluster_id, group_id = take(), take()
local buckets, weights, keep_buckets = take(), take(), take()
local least, share, least_weight = take_number(), take_number(), take_number()
local constraint_epoch = take()
local replaced, old_buckets, old_record = take_number(), take(), take()
local now_number = tonumber(now)

local meta = call('HMGET', base .. K.META, 'fingerprint', 'handle', 'indexed', 'constraint_epoch',
                  'switch')
switch_state = meta[5]
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
if constraint_epoch ~= '' and tonumber(constraint_epoch) ~= (tonumber(meta[4]) or 0) then
    return {'conflict', 'constraints changed meanwhile'}
end
local last_handle, indexed = tonumber(meta[2]) or 0, tonumber(meta[3]) or 0

local current = call('HGET', base .. K.ARTICLE_IDS .. id_shard, digest)
if (tonumber(current) or 0) ~= replaced then
    return {'conflict', 'the article itself was written or deleted meanwhile'}
end

-- Has an article arrived since the probe that would have been among its candidates? Its shared
-- weight is summed as the probe sums it, over-full buckets left out.
local partitions = read_partitions()
local values -- what the buckets hold in the newest partition
if last_handle > horizon then
    local overfull = overfull_limit(indexed, least, share)
    local arrived = {} -- handle -> shared weight
    values = {}
    for k = 0, #buckets / 6 - 1 do
        local field, rest, head = bucket_at(buckets, k)
        local weight = byte(weights, k + 1)
        local newer = {}
        for i = #partitions, 1, -1 do
            local p = partitions[i]
            local value = call('HGET', shard_key(p, rest, head), field)
            if i == #partitions then
                values[k] = value
            end
            if value == '' then
                value = call('GETRANGE', long_key(p, rest, head), 4 * (horizon - last_handle), -1)
            end
            local offset = value and #value - 4 or -1
            while offset >= 0 and handle_at(value, offset) > horizon do
                newer[#newer + 1] = handle_at(value, offset)
                offset = offset - 4
            end
            if p.first <= horizon + 1 then
                break -- older partitions hold nothing newer than the horizon
            end
        end
        if #newer > 0 and weight == 1 then
            local count = 0
            for i = 1, #partitions do
                local value = call('HGET', shard_key(partitions[i], rest, head), field)
                if value then
                    count = count + bucket_count(partitions[i], value, rest, head)
                end
            end
            if count > overfull then
                newer = {}
            end
        end
        for i = 1, #newer do
            local sum = (arrived[newer[i]] or 0) + weight
            if sum >= least_weight then
                return {'conflict', 'an article that shares buckets arrived meanwhile'}
            end
            arrived[newer[i]] = sum
        end
    end
end

-- Are the clusters that were read still what they were?
local moved_on = take_expected()
if moved_on then
    return {'conflict', 'cluster ' .. moved_on .. ' changed meanwhile'}
end

local replaced_cluster
if replaced > 0 then
    replaced_cluster = read_assignment(replaced)
    if not replaced_cluster then
        return {'conflict', 'the replaced article has no cluster'}
    end
    -- Its old buckets were told from its record, which the nightly job may have written anew.
    if record_name(replaced) ~= old_record then
        return {'conflict', 'the article itself was prepared anew meanwhile'}
    end
    touch(replaced_cluster)
end

local home = target(cluster_id, now_number)
if not home then
    return {'conflict', 'cluster ' .. cluster_id .. ' exists and was not read'}
end

for _ = 1, take_number() do
    local handle, id = take_number(), take()
    local known = assigned(handle)
    if not known or handle == replaced then
        return {'conflict', 'moved article ' .. handle .. ' is not where it was'}
    end
    if not target(id, now_number) then
        return {'conflict', 'cluster ' .. id .. ' exists and was not read'}
    end
    known[1] = id
end
for _ = 1, take_number() do
    local handle, group = take_number(), take()
    local known = assigned(handle)
    if not known or handle == replaced then
        return {'conflict', 'regrouped article ' .. handle .. ' is not where it was'}
    end
    known[2] = group
    touched[known[3]].dirty = true
end
-- A merged cluster goes whole, members the decision did not know of included.
local merged, merged_order = take_merged()
for _, old in ipairs(merged_order) do
    if not expected[old] or not target(merged[old], now_number) or old == merged[old] then
        return {'conflict', 'merged cluster ' .. old .. ' was not read'}
    end
    for _, member in ipairs(call('SMEMBERS', base .. K.MEMBERS .. old)) do
        local handle = tonumber(member)
        if handle ~= replaced then
            local known = assigned(handle)
            if known[1] == old then
                known[1] = merged[old]
            end
        end
    end
end
local split = take_split()

local handle = last_handle + 1
for moved, known in pairs(new_assignment) do
    if known[1] ~= known[3] then
        plan_move(moved, touched[known[3]], touched[known[1]])
    end
end
home.add[#home.add + 1] = handle
if replaced > 0 then
    local old = touched[replaced_cluster]
    old.remove[#old.remove + 1] = replaced
    old.went[cluster_id] = (old.went[cluster_id] or 0) + 1
    if switching() == 'staging' then
        join_parts(replaced_cluster, cluster_id)
    end
end

-- From here on everything is written.
call('HSET', base .. K.META, 'handle', handle)
if replaced > 0 then
    remove_from_buckets(partitions, old_buckets, replaced)
    if #old_buckets > 0 then
        call('HINCRBY', base .. K.META, 'indexed', -1)
    end
    call('DEL', numbered(K.RECORD, replaced), numbered(K.DOCUMENT, replaced),
         numbered(K.FORWARD, replaced))
    call('HDEL', assignment_place(replaced))
    constrained_article_changed(digest)
else
    call('HINCRBY', base .. K.META, 'articles', 1)
end
call('HSET', base .. K.ARTICLE_IDS .. id_shard, digest, handle)
call('SET', numbered(K.RECORD, handle), record)
call('SET', numbered(K.DOCUMENT, handle), header .. document)
write_assignment(handle, cluster_id, group_id)
for moved, known in pairs(new_assignment) do
    write_assignment(moved, known[1], known[2])
end
if #buckets > 0 then
    call('HINCRBY', base .. K.META, 'indexed', 1)
    -- Clocks of several writers differ a little; partitions never go back, so that handles rise
    -- from each to the next.
    local p = partitions[#partitions]
    if not p or p.number < partition_number then
        p = partition_object(partition_number, handle, FIRST_SHARDS, 0)
        values = nil
    end
    -- Where an article was taken out of its buckets just now, they are to be read again.
    add_to_buckets(p, buckets, handle, replaced == 0 and values or nil)
    write_partition(p)
    if keep_buckets == '1' then
        call('SET', base .. K.FORWARD .. handle, buckets)
    end
end
write_touched(now, merged, split)
return {'ok', handle}
