#!lua
-- uses: common laying_out
-- The switch: what was laid out is in force from here on, whatever its size. With it the job's
-- record changes, and what the stream has shown.
-- Arguments: fingerprint, job, record, generation that it rests on, constraint epoch under which
-- it was checked, now.
local fingerprint, job, payload = take(), take(), take()
local generation, constraint_epoch, now = take_number(), take_number(), take()
local meta = call('HMGET', base .. K.META, 'fingerprint', 'constraint_epoch', 'handle')
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
if not lays_out(job) then
    -- Asked twice, because the first answer was lost on its way.
    local done = call('HMGET', base .. K.SWITCH, 'job', 'now')
    return done[1] == job and done[2] and {'ok'} or {'refused', 'overtaken'}
end
local reason = job ~= '' and refused(job, generation)
if reason then
    return {'refused', reason}
end
if (tonumber(meta[2]) or 0) ~= constraint_epoch then
    return {'constraints changed'}
end

call('HSET', base .. K.SWITCH, 'now', now)
if call('EXISTS', base .. K.SWITCH_PARTS) == 1 then
    call('HSET', base .. K.META, 'switch', 'folding')
else
    call('HDEL', base .. K.META, 'switch')
end
if job ~= '' then
    call('UNLINK', base .. K.UNDO)
    call('HINCRBY', base .. K.META, 'generation', 1)
    if call('HGET', base .. K.SWITCH, 'kind') == 'apply' then
        call('HSET', base .. K.META, 'applied', job, 'applied_handle', meta[3] or '0')
        call('HSET', base .. K.UNDO, 'job', job, 'horizon', meta[3] or '0')
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
        call('UNLINK', plan)
    else
        call('HDEL', base .. K.META, 'applied')
    end
    -- Put the outcome on record; an empty one leaves the record as it is.
    if payload ~= '' and call('HEXISTS', base .. K.JOBS, job) == 1 then
        call('HSET', base .. K.JOBS, job, payload)
    end
end
return {'ok'}
