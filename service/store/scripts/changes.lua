-- Changes of clusters: collected first, checked, and then written in one go.
local touched, touched_order = {}, {}

-- The parts of a switch that this script lays out or carries out; nil for every other script.
local own_parts

-- Have a cluster change with a part, for all that is joined to either.
local function put_into_part(id, part)
    local known, joins = call('HGET', base .. K.SWITCH_CLUSTERS, id), base .. K.SWITCH_JOINS
    local function append(field, value)
        local before = call('HGET', joins, field)
        call('HSET', joins, field, (before and before .. ',' or '') .. value)
    end
    if not known then
        call('HSET', base .. K.SWITCH_CLUSTERS, id, part)
        call('ZADD', base .. K.SWITCH_LISTED, 0, id)
        append('+' .. part, id)
    elseif known ~= part then
        append(known, part)
        append(part, known)
    else
        return
    end
    call('HSET', joins, '!' .. part, 1) -- whoever came along may be named by an editor
end

-- Have two clusters change together when the switch comes, if it changes either: articles of one
-- have gone to the other.
local function join_parts(one, other)
    local parts = call('HMGET', base .. K.SWITCH_CLUSTERS, one, other)
    if parts[1] then
        put_into_part(other, parts[1])
    elseif parts[2] then
        put_into_part(one, parts[2])
    end
end

-- To be called before the first write with each cluster that is to be changed.
local function check_settled(id)
    if own_parts or switching() == 'folding' then
        local part = call('HGET', base .. K.SWITCH_CLUSTERS, id)
        if part and not (own_parts and own_parts[part]) then
            error(pending_reply({part}))
        end
    end
end

-- What changes the clusters, for their lineage: a reclustering or a constraint by its id, a
-- posting by nothing.
local BY_DELETION = '-'
local cause = ''

-- Lineage log of a cluster: entries of kind, time (8 bytes), length of the other cluster's id, that
-- id, length of the cause, cause; at most LOG_ENTRIES, the newest. A '!' in front of them all says
-- that older ones were left out. Articles are never named in it, and what the cluster's record
-- tells, that a posting minted it or that its articles are gone, is not in it either.
local MINTED, MERGED_INTO, MERGED_IN, SPLIT_INTO, SPLIT_FROM = 'n', '>', '<', '/', '^'
local REOPENED = 'o'
local LOG_ENTRIES = 64

local function log_change(cluster_id, kind, now_number, other)
    local key, field = base .. K.LINEAGE .. cluster_shard(cluster_id), cluster_id .. '#'
    local log = call('HGET', key, field) or ''
    log = log .. kind .. struct.pack('<d', now_number) .. char(#other) .. other .. char(#cause)
          .. cause
    local at = sub(log, 1, 1) == '!' and 2 or 1
    local starts = {}
    while at <= #log do
        starts[#starts + 1] = at
        at = at + 10 + byte(log, at + 9)
        at = at + 1 + byte(log, at)
    end
    if #starts > LOG_ENTRIES then
        log = '!' .. sub(log, starts[#starts - LOG_ENTRIES + 1])
    end
    call('HSET', key, field, log)
end

-- The cluster as it will be changed; nil when there is none and `created` is not given.
local function touch(cluster_id, created)
    local cluster = touched[cluster_id]
    if cluster then
        return cluster
    end
    check_settled(cluster_id)
    cluster = read_cluster(cluster_id)
    if not cluster then
        if not created then
            return nil
        end
        cluster = {id = cluster_id, state = OPEN, revision = 0, size = 0, created = created,
                   updated = created, new = true}
    end
    cluster.add, cluster.remove, cluster.went = {}, {}, {}
    touched[cluster_id] = cluster
    touched_order[#touched_order + 1] = cluster
    return cluster
end

local function plan_move(handle, from, to)
    from.remove[#from.remove + 1] = handle
    to.add[#to.add + 1] = handle
    from.went[to.id] = (from.went[to.id] or 0) + 1
    if not own_parts and switching() == 'staging' then
        join_parts(from.id, to.id)
    end
end

local function final_size(cluster)
    if not cluster.add then
        return cluster.size
    end
    return cluster.size + #cluster.add - #cluster.remove
end

-- Where the id of an emptied cluster leads: to what was asked for, if that lives; else to where
-- most of its articles went, the smaller id on a tie; nil when they went nowhere.
local function successor(cluster, wanted)
    if wanted and wanted ~= cluster.id then
        local target = touched[wanted] or read_cluster(wanted)
        while target and target.state == MERGED do
            local next_id = read_lineage(target.id, '>')
            target = touched[next_id] or read_cluster(next_id)
        end
        if target and target.id ~= cluster.id and final_size(target) > 0 then
            return target.id
        end
    end
    local best, most
    for id, count in pairs(cluster.went) do
        if id ~= cluster.id and final_size(touched[id]) > 0
           and (not best or count > most or (count == most and id < best)) then
            best, most = id, count
        end
    end
    return best
end

local function chunked(command, key, handles)
    for i = 1, #handles, 1000 do
        call(command, key, unpack(handles, i, math.min(i + 999, #handles)))
    end
end

-- Write all touched clusters. `now` is the text of a number, kept as the caller wrote it.
-- merged: old id -> wanted successor. split: old id -> list of parts.
local function write_touched(now, merged, split)
    local now_number = tonumber(now)
    -- Successors first: they are read from sizes and states as they stood before any write.
    for _, cluster in ipairs(touched_order) do
        if final_size(cluster) == 0 and #cluster.remove > 0 then
            cluster.successor = successor(cluster, merged[cluster.id])
        end
    end
    for _, cluster in ipairs(touched_order) do
        if cluster.new or cluster.dirty or #cluster.add > 0 or #cluster.remove > 0 then
            local shard = cluster_shard(cluster.id)
            local members = base .. K.MEMBERS .. cluster.id
            chunked('SREM', members, cluster.remove)
            chunked('SADD', members, cluster.add)
            local size = final_size(cluster)
            local state = OPEN
            -- One that a posting minted needs no entry: its record has the time.
            if cluster.new and cause ~= '' then
                log_change(cluster.id, MINTED, now_number, '')
            elseif cluster.state ~= OPEN and size > 0 then
                log_change(cluster.id, REOPENED, now_number, '')
            end
            local updated = now_number
            if size > 0 and cluster.aged then
                -- Old articles that leave are no news: the cluster keeps its place in the listing.
                updated = cluster.updated
            elseif size > 0 then
                call('ZADD', base .. K.OPEN_CLUSTERS, now, cluster.id)
                if cluster.state == MERGED then -- a rollback: it lives again
                    call('HDEL', base .. K.LINEAGE .. shard, cluster.id .. '>')
                end
            else
                state = EMPTY
                call('ZREM', base .. K.OPEN_CLUSTERS, cluster.id)
                if cluster.successor then
                    state = MERGED
                    call('HSET', base .. K.LINEAGE .. shard, cluster.id .. '>', cluster.successor)
                    log_change(cluster.id, MERGED_INTO, now_number, cluster.successor)
                    log_change(cluster.successor, MERGED_IN, now_number, cluster.id)
                    if call('HEXISTS', base .. K.CONSTRAINTS_OF, cluster.id) == 1 then
                        -- A headline pinned to it follows: see constraints_in_force.lua.
                        call('HINCRBY', base .. K.META, 'constraint_epoch', 1)
                    end
                end
            end
            call('HSET', base .. K.CLUSTERS .. shard, cluster.id,
                 struct.pack(CLUSTER_FORMAT, state, cluster.revision + 1, size, cluster.created,
                             updated))
        end
    end
    local divided = {}
    for old in pairs(split) do
        divided[#divided + 1] = old
    end
    table.sort(divided) -- a part of several says which it came from: the last of them
    for _, old in ipairs(divided) do
        local parts = split[old]
        local known, list = {}, {}
        local before = read_lineage(old, '/')
        if before then
            for id in string.gmatch(before, '[^,]+') do
                known[id] = true
                list[#list + 1] = id
            end
        end
        for _, id in ipairs(parts) do
            if id ~= old then
                log_change(old, SPLIT_INTO, now_number, id)
                log_change(id, SPLIT_FROM, now_number, old)
            end
            if id ~= old and not known[id] then
                known[id] = true
                list[#list + 1] = id
                if touched[id] and touched[id].new then
                    call('HSET', base .. K.LINEAGE .. cluster_shard(id), id .. '<', old)
                end
            end
        end
        if #list > 0 then
            call('HSET', base .. K.LINEAGE .. cluster_shard(old), old .. '/',
                 table.concat(list, ','))
        end
    end
end

local function take_merged()
    local merged, order = {}, {}
    for _ = 1, take_number() do
        local old = take()
        merged[old] = take()
        order[#order + 1] = old
    end
    return merged, order
end

local function take_split()
    local split = {}
    for _ = 1, take_number() do
        local old = take()
        local parts = {}
        for i = 1, take_number() do
            parts[i] = take()
        end
        split[old] = parts
    end
    return split
end
