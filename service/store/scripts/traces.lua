#!lua flags=no-writes
-- uses: common
-- What removing an article needs to know: {handle, record, stored buckets}, or {} when there is none.
local handle = call('HGET', base .. K.ARTICLE_IDS .. take(), take())
if not handle then
    return {}
end
return {tonumber(handle), call('GET', base .. K.RECORD .. handle),
        call('GET', base .. K.FORWARD .. handle) or ''}
