//! All cases, for those who run them one way or another.

/// Hands the cases to the macro `$with`, module by module.
macro_rules! with_all_cases {
    ($with:ident) => {
        $with! {
            heap {
                sizes_are_whole_pages_and_contents_zero,
                odd_sizes_are_refused,
                more_than_the_machine_has_is_refused_without_asking,
                buffer_for_reading_cannot_be_written_by_anybody,
            }
            buffer {
                descriptors_of_one_buffer_have_one_identity,
                kernel_tells_who_exported_it_and_its_name,
                mappings_show_the_same_bytes,
                brackets_begin_and_end,
                imported_buffer_is_one_of_the_framework,
            }
            memory_file {
                buffer_and_memory_file_are_the_same_pages,
                sealed_memory_is_refused,
                part_becomes_a_buffer,
                parts_become_one_buffer,
            }
            camera {
                picture_is_shared_without_a_copy,
                picture_of_another_process,
            }
            fence {
                pending_work_is_seen_and_waited_for,
                readers_go_on_beside_readers,
                reservation_shows_the_fences,
                refreshing_again_adds_nothing,
                callbacks_run_when_the_work_is_over,
                waiting_has_bounds,
                files_merge_and_go_back,
                fences_of_user_space_do_not_go_to_the_kernel,
                dropped_fences_leave_the_watch,
            }
        }
    };
}
