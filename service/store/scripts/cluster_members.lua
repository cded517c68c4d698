-- Members of clusters, for whoever links them again.

-- Of the articles in `packed_named`, those among the members of a cluster.
local function named_in(members, packed_named)
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

-- Append what is told of a cluster: id, revision, size, number of members, which of the articles in
-- `packed_named` are in it although they are not among the members given (4 bytes each), then per
-- member, newest first, handle, assignment, record ('' where `holds` says that the caller has it).
-- At the revision that the caller knows, -1 in place of that number, and no members.
-- Nothing for a cluster that is not open.
local function add_members(answer, id, limit, packed_named, holds, known_revision)
    local cluster = read_cluster(id)
    if not cluster or cluster.state ~= OPEN then
        return
    end
    local members = base .. K.MEMBERS .. id
    local n = #answer
    answer[n + 1] = id
    answer[n + 2] = cluster.revision
    answer[n + 3] = cluster.size
    answer[n + 5] = cluster.size > limit and named_in(members, packed_named) or ''
    if cluster.revision == known_revision then
        answer[n + 4] = -1
        return
    end
    local handles = call('SORT_RO', members, 'LIMIT', 0, limit, 'DESC')
    answer[n + 4] = #handles
    n = n + 5
    local missing, places = {}, {}
    for _, text in ipairs(handles) do
        local handle = tonumber(text)
        answer[n + 1] = handle
        answer[n + 2] = call('HGET', assignment_place(handle))
        answer[n + 3] = ''
        if not holds(handle) then
            missing[#missing + 1] = numbered(K.RECORD, handle)
            places[#places + 1] = n + 3
        end
        n = n + 3
    end
    for first = 1, #missing, 1000 do
        local last = math.min(first + 999, #missing)
        for i, record in ipairs(call('MGET', unpack(missing, first, last))) do
            answer[places[first + i - 1]] = record
        end
    end
end
