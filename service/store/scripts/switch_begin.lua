#!lua
-- uses: common laying_out
-- Begin to lay out what a switch will change; what another one laid out before is forgotten.
-- Arguments: fingerprint, job ('' for none), generation that it rests on, 'apply' or 'rollback',
-- highest handle that it knows of. Answer: 'ok', 'refused' and why, or 'unsettled' while the one
-- before is not carried out.
local fingerprint, job, generation, kind, horizon = take(), take(), take_number(), take(), take()
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
if switching() == 'folding' then
    return {'unsettled'}
end
local reason = job ~= '' and refused(job, generation)
if not reason and kind == 'rollback' and call('HGET', base .. K.UNDO, 'job') ~= job then
    reason = 'superseded'
end
if reason then
    return {'refused', reason}
end
call('UNLINK', base .. K.SWITCH, base .. K.SWITCH_PARTS, base .. K.SWITCH_CLUSTERS,
     base .. K.SWITCH_JOINS, base .. K.SWITCH_LISTED)
call('HSET', base .. K.SWITCH, 'job', job, 'kind', kind, 'horizon', horizon)
call('HSET', base .. K.META, 'switch', 'staging')
return {'ok'}
