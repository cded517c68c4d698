#!lua
-- uses: common changes constraints decided
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

local moved_on = take_expected()
if moved_on then
    return {'conflict', 'cluster ' .. moved_on .. ' changed meanwhile'}
end

for _ = 1, take_number() do
    local handle, name = take_number(), take()
    local known = assigned(handle)
    if not known or not target(name, now_number) then
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
    if not expected[old] or old == merged[old] or not target(merged[old], now_number) then
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
for handle, known in pairs(new_assignment) do
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
