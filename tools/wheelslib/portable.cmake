# Included by CMake right after llama-cpp-python's project() call, beside tools/llama_trim.cmake.
include(${CMAKE_CURRENT_LIST_DIR}/../llama_trim.cmake)

function(edge_rt_make_portable)
    # A library finds those beside it, under one name each: a wheel has no symbolic links.
    foreach(folder vendor/llama.cpp/src vendor/llama.cpp/ggml/src vendor/llama.cpp/tools/mtmd)
        get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
        foreach(target ${targets})
            set_target_properties(${target} PROPERTIES
                BUILD_WITH_INSTALL_RPATH TRUE INSTALL_RPATH "$ORIGIN")
        endforeach()
    endforeach()
    # The files of models spend most of their time on the same headers: a dozen at a time is faster.
    set_target_properties(llama PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 13)
    get_property(sources TARGET llama PROPERTY SOURCES)
    list(FILTER sources EXCLUDE REGEX "models/[^d].*")  # some with d have functions of one name
    set_source_files_properties(${sources} DIRECTORY vendor/llama.cpp/src
        PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
cmake_language(DEFER CALL edge_rt_make_portable)
