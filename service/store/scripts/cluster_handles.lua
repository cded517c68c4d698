#!lua flags=no-writes
-- uses: common
-- Handles of a cluster's members, in no order.
local id = take()
return unsettled({id}) or call('SMEMBERS', base .. K.MEMBERS .. id)
