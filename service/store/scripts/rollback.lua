#!lua flags=allow-oom
-- uses: common changes constraints regroup
-- Take back the last step of the reclustering that was applied last, or that was cut off: every
-- article that it moved, and that is still there, returns to the cluster and group it was in.
-- With the first step the job's record changes. The answer ends with the steps that are left.
local fingerprint, now, holder, job, payload = take(), take(), take(), take(), take()
local generation = take_number()
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
local reason = refused(holder, generation)
if reason then
    return {'refused', reason}
end
local step = call('HGET', base .. K.UNDO, 'steps')
local undo = call('HMGET', base .. K.UNDO, 'job', 'horizon:' .. (step or ''),
                  'articles:' .. (step or ''), 'parts:' .. (step or ''))
if undo[1] ~= job then
    return {'refused', 'superseded'}
end

local entries, position_in = undo[3], 0
local handles, before = {}, {}
while position_in < #entries do
    local handle, length = handle_at(entries, position_in), byte(entries, position_in + 5)
    handles[#handles + 1] = handle
    before[handle] = sub(entries, position_in + 6, position_in + 5 + length)
    position_in = position_in + 5 + length
end
local moved, gone = 0, 0
each_assignment(handles, function(handle, packed)
    if not packed then
        gone = gone + 1
    elseif packed ~= before[handle] then
        local current = parse_assignment(packed)
        local id, group = parse_assignment(before[handle])
        plan_change(handle, packed, touch(current), touch(id, tonumber(now)), group)
        moved = moved + (id ~= current and 1 or 0)
    end
end)
local direct = #changed_order
carry_newcomers(tonumber(undo[2]))
if breaks_a_constraint(changed) then
    return {'refused', 'constrained'}
end
cause = job
write_changed()
write_touched(now, {}, {})

-- What the reclustering said of divided clusters is no longer so.
for old, part in string.gmatch(undo[4], '([^ \n]+) ([^\n]+)') do
    local key, kept = base .. K.LINEAGE .. cluster_shard(old), {}
    for id in string.gmatch(read_lineage(old, '/') or '', '[^,]+') do
        if id ~= part then
            kept[#kept + 1] = id
        end
    end
    if #kept > 0 then
        call('HSET', key, old .. '/', table.concat(kept, ','))
    else
        call('HDEL', key, old .. '/')
    end
end
local steps_left = tonumber(step) - 1
if steps_left > 0 then
    call('HDEL', base .. K.UNDO, 'horizon:' .. step, 'articles:' .. step, 'parts:' .. step)
    call('HSET', base .. K.UNDO, 'steps', steps_left)
    call('HSET', base .. K.META, 'applying', job)
else
    call('DEL', base .. K.UNDO)
    -- Taking back what was never whole leaves plans made before as good as they were.
    if call('HGET', base .. K.META, 'applied') == job then
        call('HINCRBY', base .. K.META, 'generation', 1)
    end
    call('HDEL', base .. K.META, 'applied', 'applying')
    finish(job, payload)
end
return {'ok', moved, gone, #changed_order - direct, steps_left}
