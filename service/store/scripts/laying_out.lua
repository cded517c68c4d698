-- A job may write while it holds its lease, and nobody else has applied or rolled back anything
-- since it began. Returns the reason why not, or nil.
local function refused(job, generation)
    if call('GET', base .. K.LEASE .. K.RECLUSTER_LEASE) ~= job then
        return 'overtaken'
    elseif (tonumber(call('HGET', base .. K.META, 'generation') or '') or 0) ~= generation then
        return 'superseded'
    end
    return nil
end

-- Whether what a job lays out is still its own.
local function lays_out(job)
    return switching() == 'staging' and call('HGET', base .. K.SWITCH, 'job') == job
end
