-- Moving many articles at once: changes of assignments are collected, so that articles that came
-- later can follow, and then written shard by shard.
local changed, changed_order = {}, {} -- handle -> {cluster, group, packed before, cluster before}

-- Call visit(handle, packed) for each handle; packed is false for articles that are gone. One
-- command a run of handles in one shard, so ascending handles cost least.
local function each_assignment(handles, visit)
    local size, i, count = K.HANDLES_PER_SHARD, 1, #handles
    while i <= count do
        local first = handles[i] - handles[i] % size
        local start, fields = i, {}
        while i <= count and handles[i] >= first and handles[i] < first + size
              and #fields < size do
            fields[#fields + 1] = handles[i] - first
            i = i + 1
        end
        local found = call('HMGET', base .. K.ASSIGNMENTS .. first / size, unpack(fields))
        for k = 1, #fields do
            visit(handles[start + k - 1], found[k])
        end
    end
end

-- `from` is the cluster that the article is in, `to` where it goes: both touched.
local function plan_change(handle, packed, from, to, group)
    changed[handle] = {to.id, group, packed, from.id}
    changed_order[#changed_order + 1] = handle
    if to.id ~= from.id then
        plan_move(handle, from, to)
    else
        from.dirty = true
    end
end

-- Of a tally id -> count: the most counted, `home` on a tie, else the smaller id.
local function most_counted(tally, home)
    local best
    for id, count in pairs(tally) do
        if not best or count > tally[best]
           or (count == tally[best] and best ~= home and (id == home or id < best)) then
            best = id
        end
    end
    return best
end

-- Where the articles above the horizon go when the ones they were put with move. An article goes
-- where most of its near-duplicate group goes; one without such fellows goes along when more than
-- half of its cluster goes to one place, or when nobody stays. Everyone else stays.
local function carry_newcomers(horizon)
    if (tonumber(call('HGET', base .. K.META, 'handle') or '') or 0) <= horizon then
        return
    end
    local newcomers, homes, olds = {}, {}, {}
    for _, home in ipairs(touched_order) do
        if not home.new and (home.dirty or #home.remove > 0) then
            local old, late = {}, {}
            for _, member in ipairs(call('SMEMBERS', base .. K.MEMBERS .. home.id)) do
                local handle = tonumber(member)
                if handle <= horizon then
                    old[#old + 1] = handle
                elseif not changed[handle] then
                    late[#late + 1] = handle
                end
            end
            if #late > 0 then
                table.sort(late)
                local list = {}
                each_assignment(late, function(handle, packed)
                    local _, group = parse_assignment(packed)
                    list[#list + 1] = {handle, group, packed}
                end)
                homes[#homes + 1] = home.id
                newcomers[home.id], olds[home.id] = list, old
            end
        end
    end
    for _, id in ipairs(homes) do
        local old = olds[id]
        table.sort(old)
        local clusters, fellows, total = {}, {}, 0
        each_assignment(old, function(handle, packed)
            if not packed then
                return
            end
            local _, group = parse_assignment(packed)
            local entry = changed[handle]
            local to, to_group = id, group
            if entry then
                to, to_group = entry[1], entry[2]
            end
            clusters[to] = (clusters[to] or 0) + 1
            total = total + 1
            fellows[group] = fellows[group] or {}
            local place = to .. '/' .. to_group
            fellows[group][place] = (fellows[group][place] or 0) + 1
        end)
        local along = most_counted(clusters, id)
        if not along or (clusters[id] and clusters[along] * 2 <= total) then
            along = id
        end
        for _, newcomer in ipairs(newcomers[id]) do
            local handle, group, packed = newcomer[1], newcomer[2], newcomer[3]
            local to, to_group = along, group
            if fellows[group] then
                local place = most_counted(fellows[group], id .. '/' .. group)
                to, to_group = string.match(place, '^(.-)/(.*)$')
            end
            if to ~= id or to_group ~= group then
                plan_change(handle, packed, touched[id], touched[to], to_group)
            end
        end
    end
end

-- Write the assignments; returns what takes them back: per article handle, length, packed before.
local function write_changed()
    local size = K.HANDLES_PER_SHARD
    local shards, order, undo = {}, {}, {}
    for _, handle in ipairs(changed_order) do
        local field = handle % size
        local shard = (handle - field) / size
        local entry = changed[handle]
        local list = shards[shard]
        if not list then
            list = {}
            shards[shard] = list
            order[#order + 1] = shard
        end
        local n = #list
        list[n + 1] = field
        list[n + 2] = char(#entry[1]) .. entry[1] .. entry[2]
        undo[#undo + 1] = pack_handle(handle) .. char(#entry[3]) .. entry[3]
    end
    for _, shard in ipairs(order) do
        call('HSET', base .. K.ASSIGNMENTS .. shard, unpack(shards[shard]))
    end
    return table.concat(undo)
end
