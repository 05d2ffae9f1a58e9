//! A macro for each suite, which makes a `#[test]` of each of its cases.

/// Makes a `#[test]` of each case of [`contract::buffer`](crate::contract::buffer).
#[macro_export]
macro_rules! contract_buffer_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::buffer, $sut;
            size_is_what_was_asked_for,
            size_of_zero_is_refused,
            size_of_broken_pages_is_refused,
            size_that_no_file_has_is_refused,
            numbers_are_never_used_twice,
            handles_mean_the_same_buffer,
            exporters_have_names,
            name_is_seen_through_all_handles,
            name_that_is_too_long_is_refused,
            contents_are_zero_at_first,
            memory_comes_back_zeroed,
            contents_are_the_buffers_own,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::lifetime`](crate::contract::lifetime).
#[macro_export]
macro_rules! contract_lifetime_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::lifetime, $sut;
            last_handle_releases,
            bracket_keeps_the_buffer,
            user_mapping_keeps_the_buffer,
            vmap_keeps_the_buffer,
            devices_keep_the_buffer,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::cpu`](crate::contract::cpu).
#[macro_export]
macro_rules! contract_cpu_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::cpu, $sut;
            written_bytes_are_read_later,
            bidirectional_bracket_reads_its_own_writes,
            bracket_outside_the_buffer_is_refused,
            bytes_past_the_end_are_refused,
            bracket_gives_its_part_only,
            read_only_handle_begins_no_writing,
            bracket_gives_its_direction_only,
            brackets_overlap,
            dropped_bracket_is_closed,
            threads_have_their_own_brackets,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::vmap`](crate::contract::vmap).
#[macro_export]
macro_rules! contract_vmap_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::vmap, $sut;
            vmap_shows_the_bytes,
            vmaps_are_counted,
            vmap_ends_with_the_buffer,
            vmap_of_a_read_only_handle_cannot_write,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::user_mapping`](crate::contract::user_mapping).
#[macro_export]
macro_rules! contract_user_mapping_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::user_mapping, $sut;
            whole_and_parts_can_be_mapped,
            mappings_share_the_bytes,
            mapping_past_the_end_is_refused,
            mapping_that_wraps_is_refused,
            mapping_of_nothing_is_refused,
            touch_behind_the_mapping_is_an_error,
            read_only_handle_gives_no_writable_mapping,
            protection_can_be_changed,
            declaration_is_told,
            second_range_shows_the_same_pages,
            second_range_is_explicit_or_like_the_first,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::redirect`](crate::contract::redirect).
#[macro_export]
macro_rules! contract_redirect_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::redirect, $sut;
            redirected_mapping_shows_the_buffer,
            redirected_mapping_has_the_bounds_of_the_buffer,
            redirected_mapping_obeys_the_handle,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::tracked`](crate::contract::tracked).
#[macro_export]
macro_rules! contract_tracked_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::tracked, $sut;
            devices_see_what_users_wrote,
            users_see_what_devices_wrote,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::fenced`](crate::contract::fenced).
#[macro_export]
macro_rules! contract_fenced_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::fenced, $sut;
            access_waits_for_those_who_matter,
            access_begins_when_work_is_done,
            failed_work_is_done,
            abandoned_work_is_done,
            access_that_timed_out_has_not_begun,
            access_waits_for_all_work,
            work_is_seen_by_weaker_usages,
            work_is_on_its_buffer_only,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::shared_fences`](crate::contract::shared_fences).
#[macro_export]
macro_rules! contract_shared_fences_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::shared_fences, $sut;
            work_on_one_is_work_on_all,
            fences_outlive_the_first_buffer,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::fenced_device`](crate::contract::fenced_device).
#[macro_export]
macro_rules! contract_fenced_device_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::fenced_device, $sut;
            static_importer_waits_for_the_memory,
            mapping_that_timed_out_is_undone,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::device`](crate::contract::device).
#[macro_export]
macro_rules! contract_device_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::device, $sut;
            devices_see_zeroes_at_first,
            cpu_and_device_see_each_others_writes,
            devices_share_the_memory,
            tables_keep_the_limits,
            functions_in_use_count,
            read_only_handle_attaches_for_reading,
            late_device_that_fits_is_attached,
            late_device_that_does_not_fit_is_refused,
            read_only_attachment_is_not_mapped_for_writing,
            attachment_in_use_is_not_detached,
            mappings_end_one_by_one,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::deferred`](crate::contract::deferred).
#[macro_export]
macro_rules! contract_deferred_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::deferred, $sut;
            memory_comes_with_the_first_mapping,
            memory_suits_all_attachments,
            cpu_that_comes_first_gets_memory,
            needs_that_contradict_are_refused,
            devices_that_have_gone_do_not_count,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::coherency`](crate::contract::coherency).
#[macro_export]
macro_rules! contract_coherency_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::coherency, $sut;
            brackets_make_caches_right,
            write_without_bracket_is_noticed,
            read_without_bracket_is_noticed,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::hostile`](crate::contract::hostile).
#[macro_export]
macro_rules! contract_hostile_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::hostile, $sut;
            refusals_reach_the_caller,
            refusal_without_error_is_an_error,
            panics_fail_the_call,
            wrong_tables_get_to_nobody,
            failures_in_giving_back_are_contained,
            failed_allocation_is_tried_again,
            failures_in_brackets_reach_the_caller,
            other_buffers_go_on,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::pairing`](crate::contract::pairing).
#[macro_export]
macro_rules! contract_pairing_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::pairing, $sut;
            all_pairs_carry_data,
            static_sides_need_no_lock,
            dynamic_sides_hold_the_lock,
            dynamic_exporter_is_mapped_at_attach,
            static_exporter_is_mapped_at_attach,
            dynamic_exporter_is_pinned_around_maps,
            static_exporter_is_mapped_each_time,
            kept_mapping_serves_its_direction,
            kept_mapping_of_a_read_only_attachment_is_for_reading,
            failed_attach_is_undone,
            failed_map_is_unpinned,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::locking`](crate::contract::locking).
#[macro_export]
macro_rules! contract_locking_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::locking, $sut;
            dynamic_importer_maps_with_its_lock,
            lock_of_another_buffer_does_not_do,
            lock_is_given_back,
            things_may_be_dropped_under_the_lock,
            static_importers_do_not_need_the_lock,
            lock_is_not_taken_twice,
            locks_are_taken_in_any_order,
        );
    };
}

/// Makes a `#[test]` of each case of [`contract::moves`](crate::contract::moves).
#[macro_export]
macro_rules! contract_moves_cases {
    ($sut:expr) => {
        $crate::cases!(
            contract::moves, $sut;
            contents_move_too,
            every_dynamic_importer_is_told,
            new_mappings_find_the_new_place,
            old_mappings_are_usable_until_work_is_done,
            old_place_is_idle_after_work_and_mappings,
            pinned_buffer_does_not_move,
            statically_mapped_buffer_does_not_move,
            buffer_is_moved_for_a_late_device,
            held_buffer_is_not_moved_for_a_late_device,
            revoked_buffer_is_gone,
            pinned_buffer_can_be_revoked,
            buffer_is_not_revoked_from_those_who_cannot,
        );
    };
}
