#!lua flags=no-writes
-- uses: common
-- Constraints, newest first: all ('all'), those of an article ('of', digest) or of a cluster
-- ('of', id), or one ('id', constraint id). Then the number to start below ('' for the first
-- page) and the limit. Per constraint: its number, id, terms, who and why.
local how, name, before, limit = take(), take(), tonumber(take()), take_number()
local order = base .. K.CONSTRAINT_ORDER
local ids = {}
if how == 'id' then
    ids[1] = name
elseif how == 'of' then
    -- They stand in order of creation.
    for id in string.gmatch(call('HGET', base .. K.CONSTRAINTS_OF, name) or '', '[^,]+') do
        table.insert(ids, 1, id)
    end
else
    local highest = before and '(' .. string.format('%.0f', before) or '+inf'
    ids = call('ZREVRANGEBYSCORE', order, highest, '-inf', 'LIMIT', 0, limit)
end
local answer = {}
for _, id in ipairs(ids) do
    local number = tonumber(call('ZSCORE', order, id) or '')
    if number and (not before or number < before) and #answer < 4 * limit then
        local n = #answer
        answer[n + 1] = number
        answer[n + 2] = id
        answer[n + 3] = call('HGET', base .. K.CONSTRAINT_TERMS, id)
        answer[n + 4] = call('HGET', base .. K.CONSTRAINTS, id)
    end
end
return answer
