#!lua
-- uses: common buckets changes
-- Write an article anew under its handle, if its record is still the one that was read.
local fingerprint, now, partition_number = take(), take(), take_number()
local handle, old_record = take_number(), take()
local record, document = take(), take()
local removed, added, indexed, kept_buckets = take(), take(), take_number(), take()

local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
-- One that is about to expire is as good as gone: its partition is no longer there.
if record_name(handle) ~= old_record
   or handle <= (tonumber(call('HGET', base .. K.META, 'floor')) or 0) then
    return {'ok', 0}
end
touch(read_assignment(handle)).dirty = true

local document_key = base .. K.DOCUMENT .. handle
local header = call('GETRANGE', document_key, 0, 29)
local low, high = byte(header, 29, 30)
header = header .. call('GETRANGE', document_key, 30, 29 + low + high * 256)
call('SET', base .. K.RECORD .. handle, record)
call('HINCRBY', base .. K.META, 'rewritten', 1) -- whoever keeps records forgets them
call('SET', document_key, header .. document)

local partitions = read_partitions()
if #removed > 0 then
    remove_from_buckets(partitions, removed, handle)
end
if #added > 0 then
    local p = partition_of(partitions, handle)
    if not p then
        -- Nothing as old had buckets until now: the oldest partition begins earlier, or the first.
        p = partitions[1] or partition_object(partition_number, handle, FIRST_SHARDS, 0)
        p.first = handle
    end
    insert_into_buckets(p, added, handle)
    write_partition(p)
end
if indexed ~= 0 then
    call('HINCRBY', base .. K.META, 'indexed', indexed)
end
if #kept_buckets > 0 then
    call('SET', base .. K.FORWARD .. handle, kept_buckets)
else
    call('DEL', base .. K.FORWARD .. handle)
end
write_touched(now, {}, {})
return {'ok', 1}
