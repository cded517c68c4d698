#!lua flags=allow-oom
-- uses: common changes constraints regroup
-- Carry out parts of a switch, and whatever is joined to them, as one step.
-- Arguments: what to do ('fold': carry out; 'try': answer only whether an editor's constraint
-- forbids it; 'drop': leave everything of these parts as it is), then names of parts. Those that
-- are not there were carried out already.
-- Answer: 'ok', or 'constrained'.
local action = take()
local switch = call('HMGET', base .. K.SWITCH, 'job', 'kind', 'now', 'horizon')
local job, rolling_back, now, horizon = switch[1], switch[2] == 'rollback', switch[3], switch[4]
if switching() ~= (action == 'fold' and 'folding' or 'staging') then
    return {'ok'}
end
own_parts, cause = {}, job
local now_number = tonumber(now)
horizon = tonumber(horizon)

local parts = {}
local function gather(part)
    if own_parts[part] then
        return
    end
    own_parts[part] = true
    local payload = call('HGET', base .. K.SWITCH_PARTS, part)
    if payload then
        parts[#parts + 1] = {name = part, payload = payload}
    end
    for other in string.gmatch(call('HGET', base .. K.SWITCH_JOINS, part) or '', '[^,]+') do
        gather(other)
    end
end
for i = position + 1, #ARGV do
    gather(ARGV[i])
end
if #parts == 0 then
    return {'ok'}
end

-- A part as `parts.py` packs it: names, then rows of numbers; 0 stands for no name.
local function parse(payload)
    local at, names = 4, {}
    for i = 1, handle_at(payload, 0) do
        local length = byte(payload, at + 1)
        names[i] = sub(payload, at + 2, at + 1 + length)
        at = at + 1 + length
    end
    local part = {names = names}
    for _, table_name in ipairs({'entries', 'merged', 'split'}) do
        local width = table_name == 'entries' and 4 or 2
        local rows, count = {}, handle_at(payload, at)
        at = at + 4
        for i = 1, count * width do
            rows[i] = handle_at(payload, at)
            at = at + 4
        end
        part[table_name] = rows
    end
    return part
end

-- The cluster that articles go to. One that was merged away meanwhile stands for its successor,
-- unless this takes a reclustering back: then it lives again. The answer depends on what was read
-- before any write, and is the same for every article that names it.
local targets = {}
local function target(id)
    local cluster = targets[id]
    if not cluster then
        local stored = not rolling_back and resolve_merged(read_cluster(id))
        cluster = touch(stored and stored.id or id, now_number)
        targets[id] = cluster
    end
    return cluster
end

local handles, wanted_of, merged, merged_order, split = {}, {}, {}, {}, {}
for _, part in ipairs(parts) do
    local rows = parse(part.payload)
    part.names = rows.names
    for i = 1, #rows.entries, 4 do
        local handle = rows.entries[i]
        handles[#handles + 1] = handle
        wanted_of[handle] = {rows.names[rows.entries[i + 1]], rows.names[rows.entries[i + 2]],
                             rows.names[rows.entries[i + 3]]}
    end
    for i = 1, #rows.merged, 2 do
        local old = rows.names[rows.merged[i]]
        merged[old] = rows.names[rows.merged[i + 1]]
        merged_order[#merged_order + 1] = old
    end
    for i = 1, #rows.split, 2 do
        local old = rows.names[rows.split[i]]
        split[old] = split[old] or {}
        split[old][#split[old] + 1] = rows.names[rows.split[i + 1]]
    end
end
table.sort(handles)

-- Forget the parts; with the last one the switch is over.
local function done_with_parts()
    for _, part in ipairs(parts) do
        call('HDEL', base .. K.SWITCH_PARTS, part.name)
        local ids = {}
        for i, id in ipairs(part.names) do
            ids[i] = id
        end
        for id in string.gmatch(call('HGET', base .. K.SWITCH_JOINS, '+' .. part.name) or '',
                                '[^,]+') do
            ids[#ids + 1] = id
        end
        call('HDEL', base .. K.SWITCH_JOINS, part.name, '+' .. part.name,
             '!' .. part.name)
        for first = 1, #ids, 1000 do
            local last = math.min(first + 999, #ids)
            call('HDEL', base .. K.SWITCH_CLUSTERS, unpack(ids, first, last))
            call('ZREM', base .. K.SWITCH_LISTED, unpack(ids, first, last))
        end
    end
    if action == 'fold' and call('EXISTS', base .. K.SWITCH_PARTS) == 0 then
        call('HDEL', base .. K.META, 'switch')
        call('UNLINK', base .. K.SWITCH_CLUSTERS, base .. K.SWITCH_LISTED, base .. K.SWITCH_JOINS)
    end
end

if action == 'drop' then
    done_with_parts()
    return {'ok'}
end

local moved, left, gone = 0, 0, 0
each_assignment(handles, function(handle, packed)
    local expected, wanted, wanted_group = unpack(wanted_of[handle], 1, 3)
    local current, group
    if packed then
        current, group = parse_assignment(packed)
    end
    if not packed or (expected and current ~= expected) then
        gone = gone + (packed and 0 or 1)
        left = left + ((wanted and wanted ~= expected) and 1 or 0)
        return
    end
    local from = touch(current)
    local to = wanted and wanted ~= current and target(wanted) or from
    local to_group = wanted_group or group
    if to.id ~= current or to_group ~= group then
        plan_change(handle, packed, from, to, to_group)
    end
    if to.id ~= current then
        moved = moved + 1
    end
end)
local direct = #changed_order
carry_newcomers(horizon)

-- Whoever else is in a merged cluster by now goes along: its id leads elsewhere.
for _, old in ipairs(merged_order) do
    local from = touch(old)
    local to = from and from.state == OPEN and target(merged[old])
    if to and to.id ~= old and final_size(to) > 0 and final_size(from) > 0 then
        local members = {}
        for _, member in ipairs(call('SMEMBERS', base .. K.MEMBERS .. old)) do
            members[#members + 1] = tonumber(member)
        end
        table.sort(members)
        each_assignment(members, function(handle, packed)
            local entry = changed[handle]
            if not packed or (entry and entry[1] ~= old) then
                return
            end
            if entry then -- only its group was to change
                entry[1] = to.id
                plan_move(handle, from, to)
            else
                local _, group = parse_assignment(packed)
                plan_change(handle, packed, from, to, group)
            end
        end)
    end
end

-- What editors said since the plan was made, and where articles went meanwhile, may not fit it.
local constrained = action == 'try'
for _, part in ipairs(parts) do
    constrained = constrained
                  or call('HEXISTS', base .. K.SWITCH_JOINS, '!' .. part.name) == 1
end
constrained = constrained and breaks_a_constraint(changed)
if action == 'try' then
    return {constrained and 'constrained' or 'ok'}
elseif constrained then
    done_with_parts()
    return {'constrained'}
end

-- A cluster that only stood as a target and got nobody is not created.
for i = #touched_order, 1, -1 do
    local cluster = touched_order[i]
    if cluster.new and #cluster.add == 0 then
        table.remove(touched_order, i)
        touched[cluster.id] = nil
    end
end

-- What a reclustering that is taken back said of divided clusters is no longer so.
local function forget_parts(old, parts_of_old)
    local key, kept, forgotten = base .. K.LINEAGE .. cluster_shard(old), {}, {}
    for _, id in ipairs(parts_of_old) do
        forgotten[id] = true
    end
    for id in string.gmatch(read_lineage(old, '/') or '', '[^,]+') do
        if not forgotten[id] then
            kept[#kept + 1] = id
        end
    end
    if #kept > 0 then
        call('HSET', key, old .. '/', table.concat(kept, ','))
    else
        call('HDEL', key, old .. '/')
    end
end

if rolling_back then
    write_changed()
    write_touched(now, {}, {})
    for old, parts_of_old in pairs(split) do
        forget_parts(old, parts_of_old)
    end
else
    -- Lineage speaks only of clusters that are there: parts whose articles all stayed were never
    -- made.
    local fresh_parts = {}
    for old, parts_of_old in pairs(split) do
        local kept = {}
        if touched[old] then
            local before = ',' .. (read_lineage(old, '/') or '') .. ','
            for _, id in ipairs(parts_of_old) do
                if touched[id] or read_cluster(id) then
                    kept[#kept + 1] = id
                    if not string.find(before, ',' .. id .. ',', 1, true) then
                        fresh_parts[#fresh_parts + 1] = old .. ' ' .. id
                    end
                end
            end
        end
        split[old] = kept
    end
    local undo = write_changed()
    write_touched(now, merged, split)
    if job ~= '' then
        call('HSET', base .. K.UNDO, 'a:' .. parts[1].name, undo)
        if #fresh_parts > 0 then
            call('HSET', base .. K.UNDO, 's:' .. parts[1].name, table.concat(fresh_parts, '\n'))
        end
    end
end
local counts = {moved = moved, left = left, gone = gone, followed = #changed_order - direct}
for name, count in pairs(counts) do
    if count > 0 then
        call('HINCRBY', base .. K.SWITCH, name, count)
    end
end
done_with_parts()
return {'ok'}
