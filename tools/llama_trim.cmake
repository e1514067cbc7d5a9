# Included by CMake right after llama-cpp-python's project() call; tools/bootstrap points
# CMAKE_PROJECT_llama_cpp_INCLUDE at this file.
#
# llama.cpp's "common" library serves its command-line programs. The Python package never loads
# it, yet its CMakeLists forces the cache variable on, and no -D can say otherwise. A normal
# variable of the same name shadows the cache, so this one line leaves out half of the build.
set(LLAMA_BUILD_COMMON OFF)
