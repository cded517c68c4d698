#!lua
-- uses: common changes
-- Apply a reclustering in one step. An article that changed since the snapshot stays where it is.
local fingerprint, now = take(), take()
local now_number = tonumber(now)
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
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

local moved, left = 0, 0
local changed = {}
local moves = take() -- 12 bytes each: handle, number of the expected name, of the new name
for offset = 0, #moves - 12, 12 do
    local handle = handle_at(moves, offset)
    local expected, wanted = names[handle_at(moves, offset + 4)], names[handle_at(moves, offset + 8)]
    local current, group = read_assignment(handle)
    if current ~= expected then
        left = left + 1
    else
        local to = target(wanted)
        if to.id ~= current then
            plan_move(handle, touch(current), to)
            changed[handle] = {to.id, group}
            moved = moved + 1
        end
    end
end
local groups = take() -- 8 bytes each: handle, number of the group's name
for offset = 0, #groups - 8, 8 do
    local handle, group = handle_at(groups, offset), names[handle_at(groups, offset + 4)]
    local entry = changed[handle]
    if entry then
        entry[2] = group
    else
        local current, before = read_assignment(handle)
        if current and before ~= group then
            touch(current).dirty = true
            changed[handle] = {current, group}
        end
    end
end
-- Articles that arrived in a merged cluster since the snapshot follow it.
local merged, merged_order = take_merged()
for _, old in ipairs(merged_order) do
    local from = touch(old)
    local to = from and from.state == OPEN and target(merged[old])
    if to and to.id ~= old and final_size(to) > 0 then
        for _, member in ipairs(call('SMEMBERS', base .. K.MEMBERS .. old)) do
            local handle = tonumber(member)
            local entry = changed[handle]
            if not entry then
                local _, group = read_assignment(handle)
                changed[handle] = {to.id, group}
                plan_move(handle, from, to)
            elseif entry[1] == old then
                entry[1] = to.id
                plan_move(handle, from, to)
            end
        end
    end
end
local split = take_split()

-- A cluster that only stood as a target and got nobody is not created.
for i = #touched_order, 1, -1 do
    local cluster = touched_order[i]
    if cluster.new and #cluster.add == 0 then
        table.remove(touched_order, i)
        touched[cluster.id] = nil
    end
end
-- Lineage speaks only of clusters that are there: parts whose articles all stayed were never made.
for old, parts in pairs(split) do
    local kept = {}
    if touched[old] then
        for _, id in ipairs(parts) do
            if touched[id] or read_cluster(id) then
                kept[#kept + 1] = id
            end
        end
    end
    split[old] = kept
end

for handle, entry in pairs(changed) do
    write_assignment(handle, entry[1], entry[2])
end
write_touched(now, merged, split)
return {'ok', moved, left}
