#!lua flags=allow-oom
-- uses: common constraints
-- Forget the ids of clusters that ended long ago. A merged one counts as ended when the cluster
-- that its articles went to did: an id that leads somewhere goes on leading there.
-- Arguments: fingerprint, time before which they ended, first shard, number of shards.
-- Answer: number of ids forgotten.
local fingerprint, before, first, count = take(), take_number(), take_number(), take_number()
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end

-- Constraints that name a cluster say nothing any more.
local function forget_cluster(id)
    for constraint in string.gmatch(call('HGET', base .. K.CONSTRAINTS_OF, id) or '', '[^,]+') do
        local terms = split_terms(call('HGET', base .. K.CONSTRAINT_TERMS, constraint))
        for _, article in ipairs(terms.articles) do
            unlink_constraint(article.digest, constraint)
        end
        call('HDEL', base .. K.CONSTRAINTS, constraint)
        call('HDEL', base .. K.CONSTRAINT_TERMS, constraint)
        call('ZREM', base .. K.CONSTRAINT_ORDER, constraint)
        new_constraint_epoch()
    end
    call('HDEL', base .. K.CONSTRAINTS_OF, id)
end

local dropped = 0
for number = first, first + count - 1 do
    local shard = string.format('%03x', number)
    local clusters = base .. K.CLUSTERS .. shard
    local flat = call('HGETALL', clusters)
    for i = 1, #flat, 2 do
        local state, _, _, _, updated = struct.unpack(CLUSTER_FORMAT, flat[i + 1])
        if state ~= OPEN and updated < before then
            local id = flat[i]
            local final = resolve_merged(read_cluster(id))
            if unsettled({id, final and final.id or nil}) then
                final = {state = OPEN} -- what it will be is told another time
            end
            if not final or (final.state ~= OPEN and final.updated < before) then
                call('HDEL', clusters, id)
                call('HDEL', base .. K.LINEAGE .. shard, id .. '>', id .. '<', id .. '/',
                     id .. '#')
                forget_cluster(id)
                dropped = dropped + 1
            end
        end
    end
end
if dropped > 0 then
    call('HINCRBY', base .. K.META, 'expired_tombstones', dropped)
end
return {'ok', dropped}
