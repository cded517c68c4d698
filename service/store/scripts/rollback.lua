#!lua flags=allow-oom
-- uses: common changes regroup
-- Take back the reclustering that was applied last, in one step: every article that it moved, and
-- that is still there, returns to the cluster and group it was in.
local fingerprint, now, job, payload = take(), take(), take(), take()
local generation = take_number()
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
local reason = refused(job, generation)
if reason then
    return {'refused', reason}
end
local undo = call('HMGET', base .. K.UNDO, 'job', 'horizon', 'articles', 'parts')
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
call('DEL', base .. K.UNDO)
call('HDEL', base .. K.META, 'applied')
finish(job, payload)
return {'ok', moved, gone, #changed_order - direct}
