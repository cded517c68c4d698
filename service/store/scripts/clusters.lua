#!lua flags=no-writes
-- uses: common
-- Clusters by id ('ids', count, id...), or open ones by last update, newest first, then by id from
-- the highest ('page', limit, and updated and id to start after, both '' for the first page).
-- Per cluster that exists: id, packed record, merged into, split into, split from.
local ids = {}

-- Ranks from `start` on, without the clusters that are pending: where these stand now is no news.
local function settled_page(start, limit)
    local key, page = base .. K.OPEN_CLUSTERS, {}
    repeat
        local some = call('ZREVRANGE', key, start, start + math.max(limit, 100) - 1, 'WITHSCORES')
        local names = {}
        for i = 1, #some, 2 do
            names[#names + 1] = some[i]
        end
        local pending = #names > 0 and call('HMGET', base .. K.SWITCH_CLUSTERS, unpack(names)) or {}
        for i = 1, #names do
            if not pending[i] and #page < limit then
                page[#page + 1] = {id = names[i], updated = tonumber(some[2 * i])}
            end
        end
        start = start + #names
    until #names == 0 or #page == limit
    return page
end

-- The clusters of a switch are all updated at its moment, the pending ones among them: those that
-- belong on this page have to be carried out first.
local function pending_on_page(page, limit, after_updated, after_id)
    local moment = tonumber(call('HGET', base .. K.SWITCH, 'now'))
    if after_updated and after_updated < moment then
        return nil
    end
    local highest = after_updated == moment and '(' .. after_id or '+'
    local last, lowest = page[limit], '-'
    if last and last.updated > moment then
        return nil
    elseif last and last.updated == moment then
        lowest = '(' .. last.id
    end
    local listed = call('ZREVRANGEBYLEX', base .. K.SWITCH_LISTED, highest, lowest, 'LIMIT', 0, limit)
    return unsettled(listed)
end

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
    if switching() == 'folding' then
        local page = settled_page(start, limit)
        local pending = pending_on_page(page, limit, tonumber(updated), id)
        if pending then
            return pending
        end
        for i = 1, #page do
            ids[i] = page[i].id
        end
    else
        ids = call('ZREVRANGE', key, start, start + limit - 1)
    end
end
local answer, concerned = {}, {}
for _, id in ipairs(ids) do
    local cluster = read_cluster(id)
    if cluster then
        local n = #answer
        local final = resolve_merged(cluster)
        concerned[#concerned + 1] = id
        concerned[#concerned + 1] = final and final.id or nil
        answer[n + 1] = id
        answer[n + 2] = cluster.packed
        answer[n + 3] = final and final ~= cluster and final.id or ''
        answer[n + 4] = read_lineage(id, '/') or ''
        answer[n + 5] = read_lineage(id, '<') or ''
    elseif switching() == 'folding' then
        concerned[#concerned + 1] = id -- one that the switch mints
    end
end
return unsettled(concerned) or answer
