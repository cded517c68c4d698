#!lua flags=no-writes
-- uses: common
-- Members of clusters, newest first. Per cluster: id, revision, size, number of members, then per
-- member handle, assignment, record ('' where the caller has it). Clusters not open are left out.
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
local answer = {}
for _, id in ipairs(ids) do
    local cluster = read_cluster(id)
    if cluster and cluster.state == OPEN then
        local handles = call('SORT_RO', base .. K.MEMBERS .. id, 'LIMIT', 0, limit, 'DESC')
        answer[#answer + 1] = id
        answer[#answer + 1] = cluster.revision
        answer[#answer + 1] = cluster.size
        answer[#answer + 1] = #handles
        for _, text in ipairs(handles) do
            local handle = tonumber(text)
            local n = #answer
            answer[n + 1] = handle
            answer[n + 2] = call('HGET', assignment_place(handle))
            answer[n + 3] = known[handle] and '' or call('GET', base .. K.RECORD .. handle)
        end
    end
end
return answer
