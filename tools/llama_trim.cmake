# Included by CMake right after llama-cpp-python's project() call; tools/bootstrap points
# CMAKE_PROJECT_llama_cpp_INCLUDE at this file.
#
# llama.cpp's "common" library serves its command-line programs. The Python package never loads
# it, yet its CMakeLists forces the cache variable on, and no -D can say otherwise. A normal
# variable of the same name shadows the cache, so this one line leaves out half of the build.
set(LLAMA_BUILD_COMMON OFF)

# A wheel holds no symbolic links, so each library with a version would be in it under three names,
# three times. Without one it has one name, by which the Python package and the others load it.
function(edge_rt_one_name folder)
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target ${targets})
        set_property(TARGET ${target} PROPERTY VERSION)
        set_property(TARGET ${target} PROPERTY SOVERSION)
    endforeach()
    get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
    foreach(each ${folders})
        edge_rt_one_name(${each})
    endforeach()
endfunction()
cmake_language(DEFER CALL edge_rt_one_name .)  # mtmd hangs below the top
