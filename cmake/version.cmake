# The version (file VERSION) and the commit, for `glionode --version`.
#   glionode_version_source(version.cpp)   # from the folder's own CMakeLists.txt
# gives that one source file the macros GLIONODE_VERSION and GLIONODE_COMMIT through a header that each build writes anew
# if something changed: a commit compiles one file again and needs no new configuration.
# The commit is "" where it cannot be known (no git, an export, another owner's checkout); GLIONODE_COMMIT in the
# environment states it, as docker/Dockerfile does.

if(CMAKE_SCRIPT_MODE_FILE)
  file(STRINGS ${SOURCE}/VERSION version LIMIT_COUNT 1)
  set(commit "$ENV{GLIONODE_COMMIT}")
  if(NOT commit AND GIT AND EXISTS ${SOURCE}/.git)
    execute_process(COMMAND ${GIT} -C ${SOURCE} -c safe.directory=${SOURCE} rev-parse --short=10 HEAD
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(failed)
      set(commit "")
    else()
      execute_process(COMMAND ${GIT} -C ${SOURCE} -c safe.directory=${SOURCE} diff --quiet HEAD -- ERROR_QUIET
                      RESULT_VARIABLE changed)
      if(changed)
        string(APPEND commit "+changes")
      endif()
    endif()
  endif()
  set(text "#define GLIONODE_VERSION \"${version}\"\n#define GLIONODE_COMMIT \"${commit}\"\n")
  set(old "")
  if(EXISTS ${HEADER})
    file(READ ${HEADER} old)
  endif()
  if(NOT old STREQUAL text)
    file(WRITE ${HEADER} "${text}")
  endif()
  return()
endif()

set(glionode_version_script ${CMAKE_CURRENT_LIST_FILE})

function(glionode_version_source file)
  find_program(GIT_PROGRAM git)
  if(NOT GIT_PROGRAM)
    set(GIT_PROGRAM "")
  endif()
  set(header ${PROJECT_BINARY_DIR}/generated/glionode_version.h)
  add_custom_target(glionode_version BYPRODUCTS ${header}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DGIT=${GIT_PROGRAM} -DHEADER=${header} -P ${glionode_version_script}
    VERBATIM)
  set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "-include;${header}" OBJECT_DEPENDS ${header})
endfunction()
