#!lua flags=no-writes
-- uses: common
-- Members of clusters, newest first. Per cluster: id, revision, size, number of members, which of
-- the articles asked for by handle are in it although they are not among the members given (4 bytes
-- each), then per member handle, assignment, record ('' where the caller has it). Clusters not
-- open are left out.
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

-- Of the articles asked for, those among the members of a cluster.
local function named_in(members)
    local found = {}
    for first = 0, #packed_named - 4, 4000 do
        local handles = {}
        for offset = first, math.min(first + 3996, #packed_named - 4), 4 do
            handles[#handles + 1] = handle_at(packed_named, offset)
        end
        for i, is_member in ipairs(call('SMISMEMBER', members, unpack(handles))) do
            if is_member == 1 then
                found[#found + 1] = pack_handle(handles[i])
            end
        end
    end
    return table.concat(found)
end

local pending = unsettled(ids)
if pending then
    return pending
end
local answer = {}
for _, id in ipairs(ids) do
    local cluster = read_cluster(id)
    if cluster and cluster.state == OPEN then
        local handles = call('SORT_RO', base .. K.MEMBERS .. id, 'LIMIT', 0, limit, 'DESC')
        answer[#answer + 1] = id
        answer[#answer + 1] = cluster.revision
        answer[#answer + 1] = cluster.size
        answer[#answer + 1] = #handles
        answer[#answer + 1] = cluster.size > #handles and named_in(base .. K.MEMBERS .. id) or ''
        for _, text in ipairs(handles) do
            local handle = tonumber(text)
            local n = #answer
            answer[n + 1] = handle
            answer[n + 2] = call('HGET', assignment_place(handle))
            answer[n + 3] = known[handle] and '' or call('GET', numbered(K.RECORD, handle))
        end
    end
end
return answer
