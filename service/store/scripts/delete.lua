#!lua flags=allow-oom
-- uses: common buckets changes constraints removal
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
remove_article(handle, id_shard, digest, #buckets > 0)
if #buckets > 0 then
    remove_from_buckets(read_partitions(), buckets, handle)
end
cause = BY_DELETION
write_touched(now, {}, {})
return {'ok'}
