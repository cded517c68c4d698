-- Clusters that a decision rests on, and those that it may put articles into.
local expected = {}

-- Take cluster ids and the revisions that they were read at; return the one that has changed.
local function take_expected()
    for _ = 1, take_number() do
        local id, revision = take(), take_number()
        local cluster = touch(id)
        if not cluster or cluster.state ~= OPEN or cluster.revision ~= revision then
            return id
        end
        expected[id] = true
    end
end

-- The cluster of that id among those touched so far, or a new one; nil for one that was not read.
local function target(id, now_number)
    if not touched[id] and read_cluster(id) then
        return nil
    end
    return touch(id, now_number)
end

local new_assignment = {} -- handle -> {new cluster id, new group id, cluster id now}
-- What will be of an article in an expected cluster; nil for one that is elsewhere.
local function assigned(handle)
    local known = new_assignment[handle]
    if not known then
        local cluster, group = read_assignment(handle)
        if not cluster or not expected[cluster] then
            return nil
        end
        known = {cluster, group, cluster}
        new_assignment[handle] = known
    end
    return known
end
