#!lua flags=allow-oom
-- uses: common laying_out
-- Forget what a job has laid out. Argument: job. Nothing of it was in force.
if lays_out(take()) then
    call('HDEL', base .. K.META, 'switch')
    call('UNLINK', base .. K.SWITCH, base .. K.SWITCH_PARTS, base .. K.SWITCH_CLUSTERS,
         base .. K.SWITCH_JOINS, base .. K.SWITCH_LISTED)
end
return 1
