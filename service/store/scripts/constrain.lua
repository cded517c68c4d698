#!lua
-- uses: common changes constraints
-- Write a constraint, new or undone, and what it changes of the clusters, or nothing.
-- Arguments: fingerprint, now, constraint epoch that it rests on, constraint id, who and why,
-- terms; then, each after its count: cluster ids and revisions that it rests on, handles and
-- their new cluster ids, handles and their new group ids; then merged and split clusters.
local fingerprint, now, epoch = take(), take(), take_number()
local id, payload, packed_terms = take(), take(), take()
local now_number = tonumber(now)
cause = id

local meta = call('HMGET', base .. K.META, 'fingerprint', 'constraint_epoch')
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
if (tonumber(meta[2]) or 0) ~= epoch then
    return {'conflict', 'constraints changed meanwhile'}
end

local expected = {}
for _ = 1, take_number() do
    local name, revision = take(), take_number()
    local cluster = touch(name)
    if not cluster or cluster.state ~= OPEN or cluster.revision ~= revision then
        return {'conflict', 'cluster ' .. name .. ' changed meanwhile'}
    end
    expected[name] = true
end

local function target(name)
    if not expected[name] and not touched[name] and read_cluster(name) then
        return nil
    end
    return touch(name, now_number)
end

local changed = {} -- handle -> {new cluster id, new group id, cluster id}
local function assigned(handle)
    if not changed[handle] then
        local cluster, group = read_assignment(handle)
        if not cluster or not expected[cluster] then
            return nil
        end
        changed[handle] = {cluster, group, cluster}
    end
    return changed[handle]
end

for _ = 1, take_number() do
    local handle, name = take_number(), take()
    local known = assigned(handle)
    if not known or not target(name) then
        return {'conflict', 'article ' .. handle .. ' is not where it was'}
    end
    known[1] = name
end
for _ = 1, take_number() do
    local handle, group = take_number(), take()
    local known = assigned(handle)
    if not known then
        return {'conflict', 'article ' .. handle .. ' is not where it was'}
    end
    known[2] = group
    touched[known[3]].dirty = true
end
-- A merged cluster goes whole, members that are not named here included.
local merged, merged_order = take_merged()
for _, old in ipairs(merged_order) do
    if not expected[old] or old == merged[old] or not target(merged[old]) then
        return {'conflict', 'merged cluster ' .. old .. ' was not read'}
    end
    for _, member in ipairs(call('SMEMBERS', base .. K.MEMBERS .. old)) do
        local known = assigned(tonumber(member))
        if known[1] == old then
            known[1] = merged[old]
        end
    end
end
local split = take_split()

-- From here on everything is written.
for handle, known in pairs(changed) do
    if known[1] ~= known[3] then
        plan_move(handle, touched[known[3]], touched[known[1]])
    end
    write_assignment(handle, known[1], known[2])
end
write_touched(now, merged, split)
call('HSET', base .. K.CONSTRAINTS, id, payload)
call('HSET', base .. K.CONSTRAINT_TERMS, id, packed_terms)
if not call('ZSCORE', base .. K.CONSTRAINT_ORDER, id) then
    local number = call('HINCRBY', base .. K.META, 'constraints', 1)
    call('ZADD', base .. K.CONSTRAINT_ORDER, number, id)
    local terms = split_terms(packed_terms)
    for _, article in ipairs(terms.articles) do
        link_constraint(article.digest, id)
    end
    if terms.cluster_id ~= '' then
        link_constraint(terms.cluster_id, id)
    end
end
new_constraint_epoch()
return {'ok', epoch + 1}
