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
-- Where its buckets are, as the caller knows it (buckets.py), and which of them are to become long.
local generation, known_longs, light, long, spread = take(), take_number(), take(), take(), take()
local due = take()
local least, share, least_weight = take_number(), take_number(), take_number()
local wave, wave_articles = take(), take_number()
local constraint_epoch = take()
local replaced, old_light, old_long, old_spread = take_number(), take(), take(), take()
local old_record = take()
local now_number = tonumber(now)

local meta = call('HMGET', base .. K.META, 'fingerprint', 'handle', 'indexed', 'constraint_epoch',
                  'switch', 'partition', 'founding', unpack(LAYOUT))
switch_state = meta[5]
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
if meta[7] then
    return {'founding'}
end
local layout = layout_of(meta, 8)
light, long, spread = placed(layout, generation, known_longs, light, long, spread)
if not light then
    return {'stale'}
end
old_light, old_long, old_spread = placed(layout, generation, known_longs, old_light, old_long,
                                         old_spread)
if constraint_epoch ~= '' and tonumber(constraint_epoch) ~= (tonumber(meta[4]) or 0) then
    return {'conflict', 'constraints changed meanwhile'}
end
local last_handle, indexed = tonumber(meta[2]) or 0, tonumber(meta[3]) or 0

local current = call('HGET', base .. K.ARTICLE_IDS .. id_shard, digest)
if (tonumber(current) or 0) ~= replaced then
    return {'conflict', 'the article itself was written or deleted meanwhile'}
end

-- Are the clusters that were read still what they were?
local moved_on = take_expected()
if moved_on then
    return {'conflict', 'cluster ' .. moved_on .. ' changed meanwhile'}
end

-- Has an article arrived since the probe that would have been among its candidates? Its shared
-- weight is summed as the probe sums it, over-full buckets left out.
local of_wave = 0
if last_handle > horizon and #buckets > 0 then
    if last_handle - horizon > NEWEST_ARTICLES then
        return {'conflict', 'too many articles arrived meanwhile'}
    end
    local overfull = math.max(least, floor(share * indexed))
    local place_of, counts = nil, {} -- bucket -> its number from 0; number -> whether it counts
    for newer = horizon + 1, last_handle do
        local noted, its_wave = noted_buckets(newer)
        if noted and its_wave == wave and wave ~= NO_WAVE then
            of_wave = of_wave + 1 -- the decision knows of it
        elseif noted then
            if not place_of then
                place_of = {}
                for at = 1, #buckets, 6 do
                    place_of[sub(buckets, at, at + 5)] = (at - 1) / 6
                end
            end
            local sum = 0
            for at = 1, #noted, 6 do
                local bucket = sub(noted, at, at + 5)
                local place = place_of[bucket]
                if place then
                    local weight = byte(weights, place + 1)
                    if weight == 1 and counts[place] == nil then
                        counts[place] = not has_more_than(layout, overfull, bucket,
                                                          kind_of_bucket(long, spread, bucket))
                    end
                    if weight > 1 or counts[place] then
                        sum = sum + weight
                    end
                end
            end
            if sum >= least_weight and sum > 0 then
                return {'overtaken', 'an article that shares buckets arrived meanwhile'}
            end
        end
    end
end
if wave_articles >= 0 and of_wave ~= wave_articles then
    return {'overtaken', 'an article that it was decided with is not there'}
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
    remove_from_buckets(layout, old_light, old_long, old_spread, replaced)
    forget_noted(replaced)
    if #old_light + #old_long + #old_spread > 0 then
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
    if (tonumber(meta[6]) or -1) < partition_number then
        call('HSET', base .. K.PARTITIONS, partition_number, handle)
        call('HSET', base .. K.META, 'partition', partition_number)
    end
    add_to_buckets(layout, light, long, spread, due, handle)
    if keep_buckets == '1' then
        call('SET', base .. K.FORWARD .. handle, buckets)
    end
end
note_buckets(handle, buckets, wave)
if #buckets > 0 or replaced > 0 then
    write_layout(layout)
end
write_touched(now, merged, split)
return {'ok', handle}
