-- Removing an article from everything but its buckets: one that is deleted, or one that expired.
-- What else knows of articles forgets it here.

-- What is left of its cluster is written by write_touched; the cluster is returned.
local function remove_article(handle, id_shard, digest, indexed)
    local cluster = touch(read_assignment(handle))
    cluster.remove[#cluster.remove + 1] = handle
    call('HDEL', base .. K.ARTICLE_IDS .. id_shard, digest)
    call('HDEL', assignment_place(handle))
    call('DEL', base .. K.RECORD .. handle, base .. K.DOCUMENT .. handle,
         base .. K.FORWARD .. handle)
    call('HINCRBY', base .. K.META, 'articles', -1)
    if indexed then
        call('HINCRBY', base .. K.META, 'indexed', -1)
    end
    forget_noted(handle)
    forget_constraints(digest)
    return cluster
end
