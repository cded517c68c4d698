#!lua
-- uses: common changes constraints regroup
-- Apply a reclustering, or one step of a large one. An article that changed since the snapshot stays
-- where it is. With a job, what takes each step back is kept until the next job; with the last step
-- the job's record and what the stream has shown change.
local fingerprint, now, horizon = take(), take(), take_number()
local job, payload, generation = take(), take(), take_number()
local step, final = take_number(), take() == '1'
local now_number = tonumber(now)
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
if job ~= '' then
    cause = job
    local reason = refused(job, generation)
    if step > 1 and call('HGET', base .. K.UNDO, 'job') ~= job then
        reason = 'superseded'
    end
    if reason then
        return {'refused', reason}
    end
end

local names = {}
for i = 1, take_number() do
    names[i] = take()
end

-- A target that was merged away meanwhile stands for its successor. The answer depends on what was
-- read before any write, and is the same for every article that names it.
local targets = {}
local function target(id)
    local cluster = targets[id]
    if not cluster then
        local stored = resolve_merged(read_cluster(id))
        cluster = touch(stored and stored.id or id, now_number)
        targets[id] = cluster
    end
    return cluster
end

-- 16 bytes each, ascending: handle; numbers of the names of the cluster where it is expected (0:
-- any), of the new cluster (0: the same), of the new near-duplicate group (0: the same).
local moved, left = 0, 0
local entries = take()
local handles, at = {}, {}
for offset = 0, #entries - 16, 16 do
    local handle = handle_at(entries, offset)
    handles[#handles + 1] = handle
    at[handle] = offset
end
each_assignment(handles, function(handle, packed)
    local offset = at[handle]
    local expected, wanted = names[handle_at(entries, offset + 4)], names[handle_at(entries, offset + 8)]
    local current, group
    if packed then
        current, group = parse_assignment(packed)
    end
    if not packed or (expected and current ~= expected) then
        left = left + ((wanted and wanted ~= expected) and 1 or 0)
        return
    end
    local from = touch(current)
    local to = wanted and wanted ~= current and target(wanted) or from
    local to_group = names[handle_at(entries, offset + 12)] or group
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
local merged, merged_order = take_merged()
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
local split = take_split()

-- What editors said since the plan was made, and where articles went meanwhile, may not fit it.
if breaks_a_constraint(changed) then
    return {'refused', 'constrained'}
end

-- A cluster that only stood as a target and got nobody is not created.
for i = #touched_order, 1, -1 do
    local cluster = touched_order[i]
    if cluster.new and #cluster.add == 0 then
        table.remove(touched_order, i)
        touched[cluster.id] = nil
    end
end
-- Lineage speaks only of clusters that are there: parts whose articles all stayed were never made.
local fresh_parts = {}
for old, parts in pairs(split) do
    local kept = {}
    if touched[old] then
        local before = ',' .. (read_lineage(old, '/') or '') .. ','
        for _, id in ipairs(parts) do
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
    if step == 1 then
        call('DEL', base .. K.UNDO)
        call('HDEL', base .. K.META, 'applied')
    end
    local last = call('HGET', base .. K.META, 'handle') or '0'
    call('HSET', base .. K.UNDO, 'job', job, 'steps', step, 'horizon:' .. step, last,
         'articles:' .. step, undo, 'parts:' .. step, table.concat(fresh_parts, '\n'))
    if not final then
        call('HSET', base .. K.META, 'applying', job)
        return {'ok', moved, left, #changed_order - direct}
    end
    call('HDEL', base .. K.META, 'applying')
    call('HSET', base .. K.META, 'applied', job)
    -- Tables counted up to an older handle than the ones in force would forget what came since.
    local plan = base .. K.PLAN .. job
    local tables = call('HMGET', plan, 'frequencies', 'repeated_lines', 'line_counts')
    if tables[1] then
        local current = call('GETRANGE', base .. K.FREQUENCIES, 0, 7)
        if #current < 8 or struct.unpack('<I8', current) <= struct.unpack('<I8', tables[1]) then
            call('SET', base .. K.FREQUENCIES, tables[1])
            call('SET', base .. K.REPEATED_LINES, tables[2])
            call('SET', base .. K.LINE_COUNTS, tables[3])
            call('HINCRBY', base .. K.META, 'epoch', 1)
        end
    end
    call('DEL', plan)
    call('HINCRBY', base .. K.META, 'generation', 1)
    finish(job, payload)
end
return {'ok', moved, left, #changed_order - direct}
