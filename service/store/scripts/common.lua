-- Shared by all scripts: reading arguments, handles and clusters.
local base = KEYS[1]
local call, byte, char, sub, floor = redis.call, string.byte, string.char, string.sub, math.floor
local format = string.format

local position = 0
local function take()
    position = position + 1
    return ARGV[position]
end
local function take_number()
    return tonumber(take())
end

local function pack_handle(handle)
    return struct.pack('<I4', handle)
end

local function handle_at(packed, offset)
    return (struct.unpack('<I4', packed, offset + 1)) -- it returns where it ended, too
end

-- Key of a kind that is numbered by whole numbers. Not `..`, which writes a number as the fraction
-- that it might be and takes three times as long.
local function numbered(kind, number)
    return format('%s%s%d', base, kind, number)
end

-- Assignment of a handle: cluster id and near-duplicate group id.
local function assignment_place(handle)
    local field = handle % K.HANDLES_PER_SHARD
    return numbered(K.ASSIGNMENTS, (handle - field) / K.HANDLES_PER_SHARD), field
end

local function parse_assignment(packed)
    local length = byte(packed, 1)
    return sub(packed, 2, length + 1), sub(packed, length + 2)
end

local function read_assignment(handle)
    local packed = call('HGET', assignment_place(handle))
    if not packed then
        return nil
    end
    return parse_assignment(packed)
end

local function write_assignment(handle, cluster_id, group_id)
    local key, field = assignment_place(handle)
    call('HSET', key, field, char(#cluster_id) .. cluster_id .. group_id)
end

-- A reclustering is put in force by one small step, and carried out part by part afterwards (see
-- `switching.py`): a part is what has to change together. Until a part is carried out, nobody may
-- see or change its clusters: a script that meets one answers "PENDING part,part", the caller
-- carries these out, and asks again. So everybody meets the old clustering before that step and
-- the new one after it. 'staging' while parts are being laid out, 'folding' while some are in force
-- and not carried out; else false.
local switch_state
local function switching()
    if switch_state == nil then
        switch_state = call('HGET', base .. K.META, 'switch')
    end
    return switch_state
end

local function pending_reply(parts)
    return redis.error_reply('PENDING ' .. table.concat(parts, ','))
end

-- To be asked by whoever only reads, of all clusters that its answer speaks of: the reply to give
-- instead; nil when nothing of them is pending.
local function unsettled(cluster_ids)
    if switching() ~= 'folding' then
        return nil
    end
    local parts, seen = {}, {}
    for first = 1, #cluster_ids, 1000 do
        local found = call('HMGET', base .. K.SWITCH_CLUSTERS,
                           unpack(cluster_ids, first, math.min(first + 999, #cluster_ids)))
        for i = 1, #found do
            if found[i] and not seen[found[i]] then
                seen[found[i]] = true
                parts[#parts + 1] = found[i]
            end
        end
    end
    return #parts > 0 and pending_reply(parts) or nil
end

-- What names the record of a handle, as it is stored now; nil when there is none.
local function record_name(handle)
    local record = call('GET', base .. K.RECORD .. handle)
    return record and redis.sha1hex(record)
end

-- Clusters. State: 1 open, 2 merged, 3 empty.
local OPEN, MERGED, EMPTY = 1, 2, 3
local CLUSTER_FORMAT = '<BI4I4dd'

local function cluster_shard(cluster_id)
    return sub(redis.sha1hex(cluster_id), 1, 3)
end

local function read_cluster(cluster_id)
    local packed = call('HGET', base .. K.CLUSTERS .. cluster_shard(cluster_id), cluster_id)
    if not packed then
        return nil
    end
    local state, revision, size, created, updated = struct.unpack(CLUSTER_FORMAT, packed)
    return {id = cluster_id, packed = packed, state = state, revision = revision, size = size,
            created = created, updated = updated}
end

local function read_lineage(cluster_id, mark)
    return call('HGET', base .. K.LINEAGE .. cluster_shard(cluster_id), cluster_id .. mark)
end

-- Follow merges to the cluster that is there now. They cannot run in a circle: a merged cluster
-- that opens again (a rollback) loses its redirect, and at the moment of each merge its target was open.
local function resolve_merged(cluster)
    while cluster and cluster.state == MERGED do
        cluster = read_cluster(read_lineage(cluster.id, '>'))
    end
    return cluster
end
