# Two INTERFACE targets that every target of ours links: options (language, sanitizers) and warnings.
add_library(glionode_options INTERFACE)
target_include_directories(glionode_options INTERFACE ${PROJECT_SOURCE_DIR})
if(GLIONODE_SANITIZE)
  target_compile_options(glionode_options INTERFACE -fsanitize=${GLIONODE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(glionode_options INTERFACE -fsanitize=${GLIONODE_SANITIZE})
endif()

add_library(glionode_warnings INTERFACE)
target_compile_options(glionode_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                                                   -Wcast-align)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(glionode_warnings INTERFACE -Wthread-safety)
elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees an overlap in every inlined `"text" + std::string`, where there is none (GCC bug 105651), and null
  # pointers in std::istreambuf_iterator.
  target_compile_options(glionode_warnings INTERFACE -Wno-restrict)
else()
  target_compile_options(glionode_warnings INTERFACE -Wnull-dereference)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Precompiled headers and ccache need these sloppiness settings (ccache manual, "Precompiled headers").
  set(ccache_launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${ccache_launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ccache_launcher})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(glionode_options INTERFACE -fpch-preprocess)
  endif()
endif()
