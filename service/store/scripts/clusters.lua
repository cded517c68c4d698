#!lua flags=no-writes
-- uses: common
-- Clusters by id ('ids', count, id...), or open ones by last update, newest first, then by id from
-- the highest ('page', limit, and updated and id to start after, both '' for the first page).
-- Per cluster that exists: id, packed record, merged into, split into, split from.
local ids = {}
if take() == 'ids' then
    for i = 1, take_number() do
        ids[i] = take()
    end
else
    local key = base .. K.OPEN_CLUSTERS
    local limit, updated, id = take_number(), take(), take()
    local start = 0
    if updated ~= '' then
        -- Ranks of the clusters updated at that very moment, then a binary search among them, so
        -- that thousands written at one moment cost nothing, and a cluster gone meanwhile neither.
        local from = call('ZCOUNT', key, '(' .. updated, '+inf')
        local to = call('ZCOUNT', key, updated, '+inf')
        while from < to do
            local middle = floor((from + to) / 2)
            if call('ZREVRANGE', key, middle, middle)[1] >= id then
                from = middle + 1
            else
                to = middle
            end
        end
        start = from
    end
    ids = call('ZREVRANGE', key, start, start + limit - 1)
end
local answer = {}
for _, id in ipairs(ids) do
    local cluster = read_cluster(id)
    if cluster then
        local n = #answer
        local final = resolve_merged(cluster)
        answer[n + 1] = id
        answer[n + 2] = cluster.packed
        answer[n + 3] = final and final ~= cluster and final.id or ''
        answer[n + 4] = read_lineage(id, '/') or ''
        answer[n + 5] = read_lineage(id, '<') or ''
    end
end
return answer
