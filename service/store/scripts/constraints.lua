-- Editors' constraints: their terms, and what happens to them when an article changes or goes.
-- Terms: kind (m must-link, c cannot-link, n not-in-cluster, h headline), state (+ in force,
-- - undone), length of the cluster id, cluster id, then per article the 16-byte digest of its id,
-- the length of its id (2 bytes), its id.
local NOT_IN_CLUSTER = 'n'

local function split_terms(terms)
    local start = 4 + byte(terms, 3)
    local head, articles = sub(terms, 1, start - 1), {}
    while start <= #terms do
        local low, high = byte(terms, start + 16, start + 17)
        local stop = start + 17 + low + high * 256
        articles[#articles + 1] = {digest = sub(terms, start, start + 15),
                                   packed = sub(terms, start, stop)}
        start = stop + 1
    end
    return {kind = sub(head, 1, 1), in_force = sub(head, 2, 2) == '+', head = head,
            cluster_id = sub(head, 4), articles = articles}
end

local function new_constraint_epoch()
    call('HINCRBY', base .. K.META, 'constraint_epoch', 1)
end

-- The handle under which an article is stored now; nil when there is none.
local function handle_of(digest)
    local first, second = byte(digest, 1, 2)
    local shard = string.format('%02x%x', first, floor(second / 16))
    return tonumber(call('HGET', base .. K.ARTICLE_IDS .. shard, digest) or '')
end

-- `name` is the digest of an article id, or a cluster id.
local function link_constraint(name, id)
    local before = call('HGET', base .. K.CONSTRAINTS_OF, name)
    call('HSET', base .. K.CONSTRAINTS_OF, name, before and before .. ',' .. id or id)
end

local function unlink_constraint(name, id)
    local kept = {}
    for other in string.gmatch(call('HGET', base .. K.CONSTRAINTS_OF, name) or '', '[^,]+') do
        if other ~= id then
            kept[#kept + 1] = other
        end
    end
    if #kept > 0 then
        call('HSET', base .. K.CONSTRAINTS_OF, name, table.concat(kept, ','))
    else
        call('HDEL', base .. K.CONSTRAINTS_OF, name)
    end
end

-- To be called when an article gets another handle: workers know constraints by handles.
local function constrained_article_changed(digest)
    if call('HEXISTS', base .. K.CONSTRAINTS_OF, digest) == 1 then
        new_constraint_epoch()
    end
end

-- To be called when an article goes for good. A constraint that says something of the others
-- still, a must-link of three, lives on without it; any other goes, history included.
local function forget_constraints(digest)
    local ids = call('HGET', base .. K.CONSTRAINTS_OF, digest)
    if not ids then
        return
    end
    call('HDEL', base .. K.CONSTRAINTS_OF, digest)
    for id in string.gmatch(ids, '[^,]+') do
        local terms = split_terms(call('HGET', base .. K.CONSTRAINT_TERMS, id))
        local kept, packed = {}, {terms.head}
        for _, article in ipairs(terms.articles) do
            if article.digest ~= digest then
                kept[#kept + 1] = article
                packed[#packed + 1] = article.packed
            end
        end
        local over = #kept < 2
        if terms.kind == NOT_IN_CLUSTER then
            over = terms.articles[1].digest == digest
        end
        if over then
            for _, article in ipairs(kept) do
                unlink_constraint(article.digest, id)
            end
            if terms.cluster_id ~= '' then
                unlink_constraint(terms.cluster_id, id)
            end
            call('HDEL', base .. K.CONSTRAINTS, id)
            call('HDEL', base .. K.CONSTRAINT_TERMS, id)
            call('ZREM', base .. K.CONSTRAINT_ORDER, id)
        else
            call('HSET', base .. K.CONSTRAINT_TERMS, id, table.concat(packed))
        end
    end
    new_constraint_epoch()
end

-- Whether a constraint in force would not hold with the changes of some articles: `changed` is
-- handle -> {new cluster id}. Those that no changed article is named in hold as they did.
local function breaks_a_constraint(changed)
    local function cluster_of(handle)
        local entry = changed[handle]
        if entry then
            return entry[1]
        end
        return (read_assignment(handle))
    end
    for _, id in ipairs(call('ZRANGE', base .. K.CONSTRAINT_ORDER, 0, -1)) do
        local terms = split_terms(call('HGET', base .. K.CONSTRAINT_TERMS, id))
        if terms.in_force and #terms.articles > 0 then
            local handles, concerned = {}, false
            for i, article in ipairs(terms.articles) do
                handles[i] = handle_of(article.digest)
                concerned = concerned or changed[handles[i]] ~= nil
            end
            if concerned then
                local home = cluster_of(handles[1])
                if terms.kind == NOT_IN_CLUSTER and home == terms.cluster_id then
                    return true
                end
                for i = 2, #handles do
                    if (cluster_of(handles[i]) == home) ~= (terms.kind == 'm') then
                        return true
                    end
                end
            end
        end
    end
    return false
end
