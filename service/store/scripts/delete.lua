#!lua flags=allow-oom
-- uses: common buckets changes
-- Remove every trace of an article, if its handle is still the one that was read.
local fingerprint, now = take(), take()
local id_shard, digest, handle, buckets, record = take(), take(), take_number(), take(), take()

local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
if tonumber(call('HGET', base .. K.ARTICLE_IDS .. id_shard, digest)) ~= handle then
    return {'conflict', 'the article was replaced or deleted meanwhile'}
end
if record_name(handle) ~= record then
    return {'conflict', 'the article was prepared anew meanwhile'}
end
local cluster_id = read_assignment(handle)
local cluster = touch(cluster_id)
cluster.remove[1] = handle

call('HDEL', base .. K.ARTICLE_IDS .. id_shard, digest)
call('HDEL', assignment_place(handle))
call('DEL', base .. K.RECORD .. handle, base .. K.DOCUMENT .. handle, base .. K.FORWARD .. handle)
call('HINCRBY', base .. K.META, 'articles', -1)
if #buckets > 0 then
    call('HINCRBY', base .. K.META, 'indexed', -1)
    remove_from_buckets(read_partitions(), buckets, handle)
end
write_touched(now, {}, {})
return {'ok'}
