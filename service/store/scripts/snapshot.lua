#!lua flags=no-writes
-- uses: common
-- Articles of some assignment shards: first shard, number of shards, highest handle. Per article:
-- handle, assignment, header with the article id, record.
local first, count, highest = take_number(), take_number(), take_number()
local answer, clusters = {}, {}
for shard = first, first + count - 1 do
    local flat = call('HGETALL', base .. K.ASSIGNMENTS .. shard)
    for i = 1, #flat, 2 do
        local handle = shard * K.HANDLES_PER_SHARD + tonumber(flat[i])
        if handle <= highest then
            local document = base .. K.DOCUMENT .. handle
            local header = call('GETRANGE', document, 0, 29)
            local low, high = byte(header, 29, 30)
            local n = #answer
            answer[n + 1] = handle
            answer[n + 2] = flat[i + 1]
            answer[n + 3] = header .. call('GETRANGE', document, 30, 29 + low + high * 256)
            answer[n + 4] = call('GET', base .. K.RECORD .. handle)
            clusters[#clusters + 1] = parse_assignment(flat[i + 1])
        end
    end
end
return unsettled(clusters) or answer
