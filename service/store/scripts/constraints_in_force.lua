#!lua flags=no-writes
-- uses: common constraints
-- All constraints in force, oldest first, with the articles' handles of this moment.
-- Answer: {epoch, then per constraint id, terms, who and why, handles (4 bytes each, 0 for an
-- article that is not there), the cluster that its cluster id leads to now}.
local clusters = {}
local answer = {tonumber(call('HGET', base .. K.META, 'constraint_epoch')) or 0}
for _, id in ipairs(call('ZRANGE', base .. K.CONSTRAINT_ORDER, 0, -1)) do
    local packed = call('HGET', base .. K.CONSTRAINT_TERMS, id)
    local terms = split_terms(packed)
    if terms.in_force then
        local handles = {}
        for i, article in ipairs(terms.articles) do
            handles[i] = pack_handle(handle_of(article.digest) or 0)
        end
        local cluster = terms.cluster_id ~= '' and resolve_merged(read_cluster(terms.cluster_id))
        local n = #answer
        answer[n + 1] = id
        answer[n + 2] = packed
        answer[n + 3] = call('HGET', base .. K.CONSTRAINTS, id)
        answer[n + 4] = table.concat(handles)
        answer[n + 5] = cluster and cluster.id or ''
        clusters[#clusters + 1] = cluster and cluster.id or nil
    end
end
return unsettled(clusters) or answer
