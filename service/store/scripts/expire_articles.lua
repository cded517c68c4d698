#!lua flags=allow-oom
-- uses: common buckets changes constraints removal
-- Remove some articles that expired; their buckets go with their partition.
-- Arguments: fingerprint, now, lowest handle to be looked at next, number of articles, then per
-- article its handle, shard and digest of its id, 1 when it has buckets
-- by its record.
-- Answer: {articles removed, clusters closed}.
local fingerprint, now, next_handle = take(), take(), take_number()
local meta = call('HMGET', base .. K.META, 'fingerprint', 'floor')
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
end
local expired_up_to = tonumber(meta[2]) or 0
local count, first_argument = take_number(), position
for i = 1, count do
    local home = read_assignment(tonumber(ARGV[first_argument + 4 * i - 3]))
    if home then
        check_settled(home)
    end
end
local removed = 0
for _ = 1, count do
    local handle, id_shard, digest, indexed = take_number(), take(), take(), take()
    -- One that was updated has another handle by now, and is new; a deleted one has none.
    if handle <= expired_up_to
       and tonumber(call('HGET', base .. K.ARTICLE_IDS .. id_shard, digest) or '') == handle then
        indexed = indexed == '1' or call('EXISTS', base .. K.FORWARD .. handle) == 1
        remove_article(handle, id_shard, digest, indexed).aged = true
        removed = removed + 1
    end
end
local closed = 0
for _, cluster in ipairs(touched_order) do
    if final_size(cluster) == 0 then
        closed = closed + 1
    end
end
cause = BY_DELETION
write_touched(now, {}, {})
if next_handle > expired_up_to then
    call('HDEL', base .. K.EXPIRING, 'next')
elseif call('HEXISTS', base .. K.EXPIRING, 'next') == 1 then
    call('HSET', base .. K.EXPIRING, 'next', next_handle)
end
call('HINCRBY', base .. K.META, 'expired_articles', removed)
call('HINCRBY', base .. K.META, 'expired_clusters', closed)
return {'ok', removed, closed}
