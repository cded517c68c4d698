#!lua flags=no-writes
-- uses: common
-- Articles by handle, or by the digest of their id. Per article that exists: handle, assignment,
-- document with its header.
local by_digest = take() == 'digest'
local count = take_number()
local answer, clusters = {}, {}
for _ = 1, count do
    local handle
    if by_digest then
        local shard, digest = take(), take()
        handle = tonumber(call('HGET', base .. K.ARTICLE_IDS .. shard, digest) or '')
    else
        handle = take_number()
    end
    local assignment = handle and call('HGET', assignment_place(handle))
    if assignment then
        local n = #answer
        answer[n + 1] = handle
        answer[n + 2] = assignment
        answer[n + 3] = call('GET', base .. K.DOCUMENT .. handle)
        clusters[#clusters + 1] = parse_assignment(assignment)
    end
end
return unsettled(clusters) or answer
