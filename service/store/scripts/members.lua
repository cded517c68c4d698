#!lua flags=no-writes
-- uses: common cluster_members
-- Members of clusters. Arguments: most members, number of clusters, their ids, handles whose records
-- the caller has, handles that are asked for by name. Answer: see cluster_members.lua.
local limit = take_number()
local ids = {}
for i = 1, take_number() do
    ids[i] = take()
end
local packed_known = take()
local known = {}
for offset = 0, #packed_known - 4, 4 do
    known[handle_at(packed_known, offset)] = true
end
local packed_named = take()

local pending = unsettled(ids)
if pending then
    return pending
end
local answer = {}
for _, id in ipairs(ids) do
    add_members(answer, id, limit, packed_named, function(handle) return known[handle] end)
end
return answer
