#!lua
-- uses: common changes laying_out
-- Lay out some parts of a switch. Arguments: job; number of parts, per part its name, its packed
-- changes, the number of its clusters, these; then pairs of clusters that are to change together.
local job = take()
if not lays_out(job) then
    return {'refused', 'overtaken'}
end
for _ = 1, take_number() do
    local part, payload = take(), take()
    call('HSET', base .. K.SWITCH_PARTS, part, payload)
    local fresh, listed = {}, {}
    for _ = 1, take_number() do
        local id = take()
        if call('HEXISTS', base .. K.SWITCH_CLUSTERS, id) == 1 then
            put_into_part(id, part) -- a posting has joined it to another
        else
            fresh[#fresh + 1], fresh[#fresh + 2] = id, part
            listed[#listed + 1], listed[#listed + 2] = 0, id
        end
    end
    for first = 1, #fresh, 1000 do
        local last = math.min(first + 999, #fresh)
        call('HSET', base .. K.SWITCH_CLUSTERS, unpack(fresh, first, last))
        call('ZADD', base .. K.SWITCH_LISTED, unpack(listed, first, last))
    end
end
while position < #ARGV do
    local one, other = take(), take()
    join_parts(one, other)
end
return {'ok'}
