#!lua flags=no-writes
-- uses: common cluster_members
-- Where some articles are, and the members of the first clusters among these.
-- Arguments: handles (4 bytes each), how many of them, from the first, name clusters to be told;
-- how many clusters at most; most members of each; a cluster that is told besides ('' for none);
-- handles that are asked for by name; highest handle of the bitmap, and the bitmap: bit
-- (handle % its size), the lowest of a byte first, says that the caller has that record; then ids
-- and revisions of clusters whose members the caller has.
-- Answer: per handle its assignment ('' when it is gone); then see cluster_members.lua.
local handles, naming, most_clusters, limit = take(), take_number(), take_number(), take_number()
local besides, packed_named = take(), take()
local newest, bitmap = take_number(), take()
local bits = 8 * #bitmap
local revisions = {}
while position < #ARGV do
    local id = take()
    revisions[id] = take_number()
end

local answer, clusters, wanted, known = {}, {}, {}, {}
for i = 1, #handles / 4 do
    local assignment = call('HGET', assignment_place(handle_at(handles, 4 * i - 4))) or ''
    answer[i] = assignment
    if assignment ~= '' and (i <= naming or switching() == 'folding') then
        local id = parse_assignment(assignment)
        clusters[#clusters + 1] = id
        if i <= naming and #wanted < most_clusters and not known[id] then
            known[id] = true
            wanted[#wanted + 1] = id
        end
    end
end
if besides ~= '' and not known[besides] then
    wanted[#wanted + 1] = besides
    clusters[#clusters + 1] = besides
end
local pending = unsettled(clusters)
if pending then
    return pending
end

local powers = {[0] = 1, 2, 4, 8, 16, 32, 64, 128}
local function holds(handle)
    if handle > newest or handle <= newest - bits then
        return false
    end
    local bit = handle % bits
    local power = powers[bit % 8]
    return byte(bitmap, floor(bit / 8) + 1) % (2 * power) >= power
end
for _, id in ipairs(wanted) do
    add_members(answer, id, limit, packed_named, holds, revisions[id])
end
return answer
