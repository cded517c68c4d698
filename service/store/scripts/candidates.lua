#!lua flags=no-writes
-- uses: common
-- Where articles are, and their records. Arguments: handles (4 bytes each), for each of them '1'
-- when its record is wanted, and the handle of the article that is posted again (0 for none).
-- Answer: per handle its assignment ('' when it is gone) and its record ('' when not wanted); then
-- assignment and header of the article that is posted again.
local handles, wanted, existing = take(), take(), take_number()
local answer, keys, places, clusters = {}, {}, {}, {}
for i = 1, #wanted do
    local handle = handle_at(handles, 4 * i - 4)
    local assignment = call('HGET', assignment_place(handle)) or ''
    answer[2 * i - 1] = assignment
    answer[2 * i] = ''
    if assignment ~= '' then
        clusters[#clusters + 1] = parse_assignment(assignment)
    end
    if byte(wanted, i) == 49 then
        keys[#keys + 1] = numbered(K.RECORD, handle)
        places[#places + 1] = 2 * i
    end
end
local last_place = 2 * #wanted
answer[last_place + 1], answer[last_place + 2] = '', ''
if existing > 0 then
    local assignment = call('HGET', assignment_place(existing))
    if assignment then
        answer[last_place + 1] = assignment
        answer[last_place + 2] = call('GETRANGE', numbered(K.DOCUMENT, existing), 0, 29)
        clusters[#clusters + 1] = parse_assignment(assignment)
    end
end
for first = 1, #keys, 1000 do
    local last = math.min(first + 999, #keys)
    local records = call('MGET', unpack(keys, first, last))
    for i = first, last do
        local record = records[i - first + 1]
        if record then
            answer[places[i]] = record
        else
            answer[places[i] - 1] = ''
        end
    end
end
return unsettled(clusters) or answer
