#!lua flags=allow-oom
-- uses: common buckets changes constraints removal
-- Remove every trace of an article, if its handle is still the one that was read.
local fingerprint, now = take(), take()
local id_shard, digest, handle, record = take(), take(), take_number(), take()
local generation, known_longs, light, long, spread = take(), take_number(), take(), take(), take()

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
local layout = read_layout()
light, long, spread = placed(layout, generation, known_longs, light, long, spread)
if not light then
    return {'stale'}
end
local indexed = #light + #long + #spread > 0
remove_article(handle, id_shard, digest, indexed)
if indexed then
    remove_from_buckets(layout, light, long, spread, handle)
    write_layout(layout)
end
cause = BY_DELETION
write_touched(now, {}, {})
return {'ok'}
